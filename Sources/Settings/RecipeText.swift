package import ArgumentParser

/// Options as a recipe.
package enum RecipeText {
    /// A line for each flag, in the order of `--help`. What was not given, and follows from the rest, is a comment: so a
    /// recipe whose model, batch or learning rate is overridden has nothing left of the old one.
    ///
    /// - Parameters:
    ///   - omitted: flags that are no settings.
    ///   - alternatives: flags that say one thing in two ways; where one that has no default is given, the others stand aside.
    ///   - resolved: what came of flags that were not given, by flag.
    package static func yaml(
        of options: some ParsableArguments, omitting omitted: Set<String>, alternatives: [[String]],
        resolved: [String: String]
    ) -> String {
        let flags = FlagValue.all(in: options).filter { !omitted.contains($0.flag) }
        let catalog = FlagCatalog(type(of: options))
        let deciding = Set(flags.filter { $0.value != nil && catalog.canBeUnset($0.flag) }.map(\.flag))
        let lines = flags.compactMap { flag -> String? in
            let key = flag.flag.replacing("-", with: "_")
            let others = alternatives.first { $0.contains(flag.flag) }?.filter { $0 != flag.flag } ?? []
            guard let text = flag.text, deciding.isDisjoint(with: others) else {
                return resolved[flag.flag].map { "# \(key): \($0)" }
            }
            return "\(key): \(flag.value is String ? scalar(text) : text)"
        }
        return (["# Lines that are comments were not given: they follow from the others."] + lines)
            .map { $0 + "\n" }.joined()
    }

    /// A YAML scalar of exactly this text, quoted unless every reader takes it for a plain word.
    private static func scalar(_ text: String) -> String {
        let isPath = !text.isEmpty && text.utf8.allSatisfy { plainBytes.contains($0) }
        if isPath, text.contains("/"), !text.hasPrefix("-") { return text }
        let isWord = isPath && (text.utf8.first.map(letters.contains) ?? false)
        if isWord && !keywords.contains(text.lowercased()) { return text }
        guard text.unicodeScalars.contains(where: needsEscape) else {
            // By scalars: a mark may follow and be one character with the quote.
            return "'" + text.unicodeScalars.map { $0 == "'" ? "''" : String($0) }.joined() + "'"
        }
        return "\"" + text.unicodeScalars.map(escaped).joined() + "\""
    }

    private static let letters = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)
    private static let plainBytes = letters.union("0123456789._-/+".utf8)
    /// Words that YAML takes for something else than text.
    private static let keywords: Set<String> = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"]

    /// Line ends would be folded, control characters and byte order marks are not allowed.
    private static func needsEscape(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF: true
        default: false
        }
    }

    private static func escaped(_ scalar: Unicode.Scalar) -> String {
        if scalar == "\"" || scalar == "\\" { return "\\\(scalar)" }
        guard needsEscape(scalar) else { return String(scalar) }
        let digits = String(scalar.value, radix: 16)
        return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }
}
