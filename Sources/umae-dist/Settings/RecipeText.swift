import Communication
import Models
import Tensors
import Pretraining

/// The settings of a run as a recipe that gives the same run.
enum RecipeText {
    /// A line for each setting, in the order of `--help`. What was not given, and follows from the rest, is a comment: so a
    /// recipe whose model, batch or learning rate is overridden has nothing left of the old one.
    static func yaml(of options: PretrainOptions, _ configuration: PretrainConfiguration) -> String {
        let lines = options.settings(of: configuration).compactMap { setting -> String? in
            if let value = setting.value { return "\(setting.key): \(text(of: value))" }
            return setting.resolved.map { "# \(setting.key): \(text(of: $0))" }
        }
        return (["# Lines that are comments were not given: they follow from the others."] + lines)
            .map { $0 + "\n" }.joined()
    }

    private static func text(of value: RunSetting.Value) -> String {
        switch value {
        case .plain(let text): text
        case .text(let text): scalar(text)
        }
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

extension PretrainCommand {
    /// Prints the settings as a recipe, with every check that needs neither the images nor this machine: channels and the
    /// number of images stay as they were given. Collective.
    func printConfiguration(in world: any Communicator) throws -> Int32 {
        let configuration = try world.agree {
            _ = try options.compatibility.notices()
            let channels = try options.model.configuration().channels
            return try options.configuration(ranks: world.size, channels: channels, precision: .float32)
        }
        try world.agreeOnEqual("settings", [RecipeText.yaml(of: options, configuration)])
        if world.rank == 0 { Console.print(String(RecipeText.yaml(of: options, configuration).dropLast())) }
        return 0
    }
}
