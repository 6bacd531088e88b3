import ArgumentParser
import Foundation
import Yams

/// A recipe or an environment variable that does not fit.
struct RecipeError: Error, CustomStringConvertible {
    let description: String
}

/// Layers settings as defaults < recipe < environment < flags.
///
/// Recipe keys and variables become flags that stand before those typed; of a flag given twice the last counts. So all
/// three are checked by one parser and mean the same. The commands that read them are those of `layered`.
struct ArgumentLayers {
    private let command: String?
    private let typed: [String]
    private let environment: [String: String]

    /// The flags of each command that has layers; the first is the command that runs without being named.
    private static let layered: [(command: String?, flags: any ParsableArguments.Type)] = [
        (PretrainCommand.configuration.commandName, PretrainOptions.self),
        (PlanCommand.configuration.commandName, PlanOptions.self),
    ]
    private static let environmentPrefix = "UMAE_"
    /// Variables with the prefix that are no settings.
    private static let reserved: Set<String> = [
        "UMAE_MAX_ISA", "UMAE_INTERNAL_BLAS_RESTARTED", "UMAE_INTERNAL_BLAS_OVERRIDDEN",
    ]

    init(_ arguments: [String], environment: [String: String] = ProcessInfo.processInfo.environment) {
        let flags = arguments.map(Self.withDashes)
        let commands = UmaeDist.configuration.subcommands.compactMap { $0.configuration.commandName } + ["help"]
        command = flags.first.flatMap { commands.contains($0) ? $0 : nil }
        typed = command == nil ? flags : Array(flags.dropFirst())
        self.environment = environment
    }

    /// The whole command line, most general setting first.
    func merged() throws -> [String] {
        guard let (name, options) = Self.layered.first(where: { command == nil || command == $0.command }) else {
            return (command.map { [$0] } ?? []) + typed
        }
        if command == nil && typed.contains(where: { ["--help", "-h", "--version"].contains($0) }) { return typed }
        let layers = [
            ("environment", try environmentFlags()), ("recipe", try recipeFlags()),
        ]
        for (source, flags) in layers where !flags.isEmpty {
            do { _ = try options.parse(flags) } catch {
                throw RecipeError(description: "\(source): \(options.message(for: error))")
            }
        }
        return [name ?? ""] + layers.reversed().flatMap(\.1) + typed
    }

    /// `--batch_size` and `--batch-size` are one flag.
    private static func withDashes(_ argument: String) -> String {
        guard argument.hasPrefix("--") else { return argument }
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = parts[0].replacing("_", with: "-")
        return parts.count == 1 ? String(name) : "\(name)=\(parts[1])"
    }

    private func environmentFlags() throws -> [String] {
        environment.keys.sorted().filter { $0.hasPrefix(Self.environmentPrefix) && !Self.reserved.contains($0) }
            .flatMap { key -> [String] in
                let name = key.dropFirst(Self.environmentPrefix.count).lowercased()
                return Self.flag(named: name, value: environment[key] ?? "")
            }
    }

    private func recipeFlags() throws -> [String] {
        guard let recipe = self.recipe() else { return [] }
        let path = try RecipeFile.path(of: recipe)
        let text: String
        do { text = try String(contentsOfFile: path, encoding: .utf8) } catch {
            throw RecipeError(description: "cannot read the recipe \(path): \(error.localizedDescription)")
        }
        let document: Any?
        do { document = try Yams.load(yaml: text) } catch {
            let line = "\(error)".split(separator: "\n").first ?? ""
            throw RecipeError(description: "\(path) is not YAML: \(line)")
        }
        guard let settings = document as? [String: Any] else {
            throw RecipeError(description: "\(path) must be a YAML mapping of flags, such as 'batch_size: 64'")
        }
        return try settings.keys.sorted().flatMap { key in
            guard let value = Self.text(of: settings[key]) else {
                throw RecipeError(description: "\(path): '\(key)' must be one value, not a list or a mapping")
            }
            return Self.flag(named: key, value: value)
        }
    }

    /// The recipe asked for, by file or by name.
    private func recipe() -> String? {
        var recipe = environment["UMAE_RECIPE"]
        for (index, argument) in typed.enumerated() {
            if argument == "--recipe", index + 1 < typed.count { recipe = typed[index + 1] }
            if argument.hasPrefix("--recipe=") { recipe = String(argument.dropFirst("--recipe=".count)) }
        }
        return recipe
    }

    private static func text(of value: Any?) -> String? {
        switch value {
        case let value as Bool: "\(value)"
        case let value as Int: "\(value)"
        case let value as Double: "\(value)"
        case let value as String: value
        case is NSNull: ""
        default: nil
        }
    }

    private static func flag(named name: String, value: String) -> [String] {
        let flag = name.replacing("_", with: "-")
        if value == "true" { return ["--\(flag)"] }
        if value == "false" { return ["--no-\(flag)"] }
        return ["--\(flag)=\(value)"]
    }
}
