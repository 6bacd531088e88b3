import ArgumentParser
package import Communication
import Foundation
internal import Tensors

/// Layers settings as defaults < the run that is resumed < recipe < environment < flags.
///
/// Every layer is a list of settings by flag; of each flag the most specific layer that gives it counts, and what is left
/// is one command line for one parser. So a value means the same wherever it stands.
package struct ArgumentLayers {
    private let command: any LayeredCommand.Type
    /// The first is the command that runs without being named.
    private let commands: [any LayeredCommand.Type]
    private let isNamed: Bool
    private let typed: [String]
    private let environment: [String: String]
    private let catalog: FlagCatalog

    private static let environmentPrefix = "UMAE_"
    /// Limits the kernels, of every command.
    private static let instructionSetVariable = "UMAE_MAX_ISA"

    /// The arguments of the parser, and what a person should know about where they come from.
    package struct Merged {
        package var arguments: [String]
        package var notes: [String] = []
    }

    /// - Parameter commands: the one that runs without being named first.
    package init(
        _ arguments: [String], of commands: [any LayeredCommand.Type],
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) {
        let named = arguments.first.flatMap { first in commands.first { $0.name == first } }
        command = named ?? commands[0]
        isNamed = named != nil
        typed = isNamed ? Array(arguments.dropFirst()) : arguments
        self.commands = commands
        self.environment = environment
        catalog = FlagCatalog(command)
    }

    /// The whole command line of the most specific settings. Collective: rank 0 reads the files for all.
    ///
    /// - Throws: `SettingsError` that names the flag, the variable, or the file and its line.
    package func merged(in world: any Communicator) throws -> Merged {
        // Every rank takes part in both exchanges, whatever its own command line is, so that none is left waiting.
        let given = Result { () throws(SettingsError) in try self.given() }
        let recipe = try SharedText.recipe((try? given.get())?.recipe, in: world)
        let merged = Result { () throws(SettingsError) in try self.merged(given.get(), recipe: recipe) }
        let run = command.unused.contains("resume") ? nil : (try? merged.get()).flatMap(RunConfigurationFile.directory)
        let configuration = try SharedText.configuration(ofRun: run, in: world)
        return try self.finished(merged.get(), run: run, configuration: configuration)
    }

    /// What flags and environment say.
    private struct Given {
        var flags: [Setting]
        /// Arguments that are no flags of this command; the parser says what is wrong with them, or prints help.
        var rest: [String]
        var variables: [Setting]
        var notes: [String]
        /// The recipe asked for.
        var recipe: String?
    }

    private func given() throws(SettingsError) -> Given {
        try checkInstructionSet()
        var given = Given(flags: [], rest: [], variables: [], notes: [])
        // Help of the whole program, `help COMMAND`, a version: nothing is run.
        if !isNamed && (typed.first == "help" || typed.contains { ["--help", "-h", "--version"].contains($0) }) {
            given.rest = typed
            return given
        }
        try readFlags(into: &given)
        try readEnvironment(into: &given)
        let layers = [given.variables, given.flags]
        let recipe = layers.joined().last { $0.flag.name == "recipe" }
        if case .text(let text)? = recipe?.value { given.recipe = text }
        return given
    }

    private func checkInstructionSet() throws(SettingsError) {
        guard let limit = environment[Self.instructionSetVariable], !limit.isEmpty else { return }
        guard VectorKernels.instructionSets.contains(limit) else {
            throw SettingsError(
                "\(Self.instructionSetVariable) is '\(limit)': it must be one of "
                    + VectorKernels.instructionSets.joined(separator: ", "))
        }
    }

    // MARK: Layers

    private func readFlags(into given: inout Given) throws(SettingsError) {
        var rest = typed[...]
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("--"), argument != "--" else {
                given.rest.append(argument)
                continue
            }
            // By scalars: a value may begin with a mark that would be one character with the sign.
            let scalars = argument.unicodeScalars.dropFirst(2)
            let sign = scalars.firstIndex(of: "=")
            let name = String(scalars[..<(sign ?? scalars.endIndex)])
            var text = sign.map { String(scalars[scalars.index(after: $0)...]) }
            guard let found = catalog.flag(named: name) else {
                given.rest.append(argument)
                continue
            }
            if !found.flag.isSwitch && text == nil {
                // The parser says that the value is missing.
                guard let next = rest.first, !isFlag(next) else {
                    given.rest.append("--\(found.flag.name)")
                    continue
                }
                text = next
                rest.removeFirst()
            }
            if let setting = try Setting(named: name, text: text, origin: "--\(found.flag.name)", in: catalog) {
                given.flags.append(setting)
            }
        }
    }

    /// Whether an argument is a flag rather than the value of the one before, as `-1` and `-` are.
    private func isFlag(_ argument: String) -> Bool { argument == "-h" || argument.hasPrefix("--") }

    private func readEnvironment(into given: inout Given) throws(SettingsError) {
        for variable in environment.keys.sorted()
        where variable.hasPrefix(Self.environmentPrefix) && variable != Self.instructionSetVariable {
            let name = variable.dropFirst(Self.environmentPrefix.count).lowercased()
            let setting = try Setting(
                named: name, text: environment[variable] ?? "", origin: variable, in: catalog)
            if let setting {
                given.variables.append(setting)
            } else if !commands.contains(where: { FlagCatalog($0).flag(named: name) != nil }) {
                given.notes.append("\(variable) is no setting of umae-dist: it is not used")
            }
        }
        try check(given.variables, describing: { "\($0.origin)=\(environment[$0.origin] ?? "")" })
    }

    /// The settings of a file, whose lines are their origin.
    private func settings(of text: String, path: String) throws(SettingsError) -> [Setting] {
        var settings: [Setting] = []
        for entry in try RecipeFile.entries(of: text, path: path) {
            let origin = "\(path), line \(entry.line), '\(entry.key)'"
            guard let setting = try Setting(named: entry.key, text: entry.text, origin: origin, in: catalog) else {
                throw SettingsError("\(path), line \(entry.line): there is no flag '\(entry.key)'")
            }
            guard setting.flag.name != "recipe" else {
                throw SettingsError("\(path), line \(entry.line): a recipe cannot name another recipe")
            }
            settings.append(setting)
        }
        try check(settings, describing: \.origin)
        return settings
    }

    /// Refuses what is said twice in a layer without an order, and values that the parser refuses, by their origin.
    private func check(_ settings: [Setting], describing: (Setting) -> String) throws(SettingsError) {
        for (index, setting) in settings.enumerated() {
            guard let other = settings[..<index].first(where: { $0.flag.name == setting.flag.name }) else { continue }
            throw SettingsError("\(other.origin) and \(setting.origin) are one setting: give one of them")
        }
        guard failure(of: settings) != nil else { return }
        for setting in settings {
            guard let message = failure(of: [setting]) else { continue }
            throw SettingsError("\(describing(setting)): \(message)")
        }
    }

    /// What the parser says against settings; nil if nothing.
    private func failure(of settings: [Setting]) -> String? {
        do {
            _ = try command.parse(settings.flatMap(\.arguments))
            return nil
        } catch {
            return command.message(for: error)
        }
    }

    // MARK: Merging

    /// What flags, environment and recipe say, most general first.
    struct Layers {
        var settings: [[Setting]]
        var rest: [String]
        var notes: [String]

        /// The value that counts among these layers; nil if none gives the flag.
        func text(of flag: String) -> String? {
            guard case .text(let text)? = settings.joined().last(where: { $0.flag.name == flag })?.value else {
                return nil
            }
            return text
        }
    }

    private func merged(_ given: Given, recipe: SharedText?) throws(SettingsError) -> Layers {
        var layers = Layers(settings: [given.variables, given.flags], rest: given.rest, notes: given.notes)
        if let recipe {
            let text = try recipe.text.get()
            layers.settings.insert(try settings(of: text, path: "recipe \(recipe.path)"), at: 0)
        }
        for layer in layers.settings { try refuseAlternatives(in: layer) }
        for flag in given.flags + given.variables where command.unused.contains(flag.flag.name) {
            layers.notes.append("\(flag.origin) has no effect on \(command.name)")
        }
        return layers
    }

    private func refuseAlternatives(in layer: [Setting]) throws(SettingsError) {
        for names in command.alternatives {
            // Of a flag given twice the last counts.
            let given = names.compactMap { name in layer.last { $0.flag.name == name } }.filter { $0.value != .unset }
            if given.count > 1 {
                throw SettingsError(
                    given.map(\.origin).joined(separator: " and ")
                        + " are two ways to say one thing: give one of them")
            }
        }
    }

    /// - Parameters:
    ///   - run: the directory of the run to go on with, if there is one.
    ///   - configuration: its settings.
    private func finished(_ layers: Layers, run: String?, configuration: SharedText?) throws -> Merged {
        var layers = layers
        if let run, let configuration {
            do {
                let text = try configuration.text.get()
                let inherited = try settings(of: text, path: configuration.path).filter {
                    !command.notInherited.contains($0.flag.name)
                }
                layers.settings.insert(inherited, at: 0)
                layers.notes.append("settings that are not given are those of \(configuration.path)")
            } catch {
                layers.notes.append("\(error); settings of \(run) that are not given are the defaults")
            }
        }
        var winners: [String: Setting] = [:]
        for layer in layers.settings {
            var own: [String: Setting] = [:]
            for setting in layer { own[setting.flag.name] = setting }
            for names in command.alternatives
            where names.contains(where: { own[$0].map { $0.value != .unset } ?? false }) {
                for name in names { winners[name] = nil }
            }
            winners.merge(own) { $1 }
        }
        let arguments = catalog.flags.compactMap { winners[$0.name] }.flatMap(\.arguments)
        let isBare = layers.settings.allSatisfy(\.isEmpty) && !isNamed
        return Merged(
            arguments: (isBare ? [] : [command.name]) + arguments + layers.rest, notes: layers.notes)
    }
}
