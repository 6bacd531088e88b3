package import Communication
import Foundation
import Yams

/// A YAML file of flags.
package enum RecipeFile {
    /// What a recipe says of one flag.
    package struct Entry {
        let key: String
        /// The scalar as it is written, whatever YAML would take it for: `010`, `true`, `~`.
        let text: String
        let line: Int
    }

    private static let mostBytes = 1 << 20

    /// Standard input, by the names it is known by.
    static func isStandardInput(_ recipe: String) -> Bool { ["-", "/dev/stdin", "/dev/fd/0"].contains(recipe) }

    /// The text of the recipe that is given by its path or its name, and its path for messages.
    ///
    /// - Throws: `SettingsError` that names the file, or the places looked in.
    static func read(_ recipe: String) throws(SettingsError) -> (path: String, text: String) {
        if isStandardInput(recipe) {
            return ("standard input", try text(of: FileHandle.standardInput, "standard input"))
        }
        let path = try self.path(of: recipe)
        let file: FileHandle
        // Not as a whole: pipes such as <(…) have no size.
        do { file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path)) } catch {
            throw SettingsError("cannot read the recipe \(path): \(error.localizedDescription)")
        }
        defer { try? file.close() }
        return (path, try text(of: file, path))
    }

    private static func text(of file: FileHandle, _ path: String) throws(SettingsError) -> String {
        let data: Data
        do { data = try file.read(upToCount: mostBytes + 1) ?? Data() } catch {
            throw SettingsError("cannot read the recipe \(path): \(error.localizedDescription)")
        }
        guard data.count <= mostBytes else {
            throw SettingsError("\(path) is larger than \(mostBytes >> 20) MiB: it is no recipe")
        }
        guard let text = String(data: data, encoding: .utf8) else {
            throw SettingsError("the recipe \(path) is not UTF-8 text: save it in that encoding")
        }
        return text
    }

    /// The settings of `text` in their order.
    ///
    /// - Parameter path: for messages.
    package static func entries(of text: String, path: String) throws(SettingsError) -> [Entry] {
        let root: Node?
        do { root = try Yams.compose(yaml: text) } catch {
            if case .duplicatedKeysInMapping(let keys, _)? = error as? YamlError {
                throw SettingsError(
                    "\(path): \(keys.sorted().map { "'\($0)'" }.joined(separator: ", ")) is given twice")
            }
            let line = "\(error)".split(separator: "\n").first ?? ""
            throw SettingsError("\(path) is not YAML: \(line)")
        }
        guard let root, !isEmpty(root) else { return [] }
        guard case .mapping(let mapping) = root else {
            throw SettingsError("\(path) must be a YAML mapping of flags, such as 'batch_size: 64'")
        }
        var entries: [Entry] = []
        for (key, value) in mapping {
            let line = key.mark?.line ?? 0
            guard let key = key.scalar?.string else {
                throw SettingsError("\(path), line \(line): a key must be the name of a flag")
            }
            guard let scalar = value.scalar else {
                throw SettingsError(
                    "\(path), line \(line): '\(key)' must be one value, not a list or a mapping")
            }
            entries.append(Entry(key: key, text: scalar.string, line: line))
        }
        return entries
    }

    /// Whether a file holds nothing but comments.
    private static func isEmpty(_ root: Node) -> Bool { root.scalar?.string.isEmpty ?? false }

    /// `recipe` itself if there is such a file; a mere name also in the directories of recipes.
    private static func path(of recipe: String) throws(SettingsError) -> String {
        let places = RecipesDirectory.places(of: recipe, suffixes: [".yaml", ".yml"])
        if let found = places.first(where: RecipesDirectory.isFile) { return found }
        let installed =
            RecipesDirectory.checkout == nil && !recipe.contains("/")
            ? " (this program is not in the checkout it was built in, whose recipes/ would be looked in)" : ""
        throw SettingsError(
            "--recipe: there is no \(places.joined(separator: ", nor "))\(installed); give the path of a YAML file, "
                + "or the name of one in recipes/")
    }
}
