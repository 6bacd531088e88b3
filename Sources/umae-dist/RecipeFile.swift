import Foundation

/// Finds the file of a recipe that is given by its path or by its name.
enum RecipeFile {
    /// `recipe` itself if there is such a file; a mere name also in `recipes/` of the working directory and of the checkout
    /// that this program was built in.
    ///
    /// - Throws: `RecipeError` that names the places looked in.
    static func path(of recipe: String) throws -> String {
        var places = [recipe]
        if !recipe.contains("/") {
            let file = recipe.hasSuffix(".yaml") ? recipe : recipe + ".yaml"
            places += (["recipes"] + [checkout.map { "\($0)/recipes" }].compactMap { $0 }).map { "\($0)/\(file)" }
        }
        guard let found = places.first(where: isFile) else {
            throw RecipeError(
                description:
                    "--recipe: there is no \(places.joined(separator: ", nor ")); give the path of a YAML file, or "
                    + "the name of one in recipes/")
        }
        return found
    }

    private static func isFile(_ path: String) -> Bool {
        var isDirectory: ObjCBool = false
        return unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && !isDirectory.boolValue
    }

    /// What holds the `.build` that the running program is in.
    private static var checkout: String? {
        let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().pathComponents
        guard let build = program.lastIndex(of: ".build"), build > 0 else { return nil }
        return NSString.path(withComponents: Array(program[..<build]))
    }
}
