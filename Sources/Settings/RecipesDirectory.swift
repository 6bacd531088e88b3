internal import Foundation

/// Files that come with the program: `recipes/` of the working directory, and of the checkout that this program was built in.
package enum RecipesDirectory {
    /// Where a file may be: where its path says; by a mere name also here, and with one of `suffixes` that it does not have.
    package static func places(of file: String, suffixes: [String]) -> [String] {
        guard !file.contains("/") else { return [file] }
        let suffix = suffixes.first(where: file.hasSuffix) ?? ""
        let directories = ["recipes"] + [checkout.map { "\($0)/recipes" }].compactMap { $0 }
        return [file]
            + directories.flatMap { directory in suffixes.map { "\(directory)/\(file.dropLast(suffix.count))\($0)" } }
    }

    package static func isFile(_ path: String) -> Bool {
        var isDirectory: ObjCBool = false
        return unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && !isDirectory.boolValue
    }

    /// What holds the `.build` that the running program is in.
    static var checkout: String? {
        let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().pathComponents
        guard let build = program.lastIndex(of: ".build"), build > 0 else { return nil }
        return NSString.path(withComponents: Array(program[..<build]))
    }
}
