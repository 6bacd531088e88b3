import ArgumentParser
import Foundation

/// The flags that a command has, as its parser describes them, so that no list of them has to be kept beside it.
struct FlagCatalog {
    struct Flag {
        /// The flag without its dashes, by the first of its names: `input-size`, also of `--img-size`.
        let name: String
        /// Whether it is on or off, and so needs no value.
        let isSwitch: Bool
        /// Whether it may be without any value, which is written `none`.
        let canBeUnset: Bool
        /// Whether it names a file or a directory.
        let isPath: Bool
    }

    /// All flags, in the order of `--help`.
    let flags: [Flag]
    private let byName: [String: Flag]

    init(_ options: any ParsableArguments.Type) {
        let description = Data(options._dumpHelp().utf8)
        guard let dump = try? JSONDecoder().decode(Dump.self, from: description) else {
            preconditionFailure("the argument parser describes \(options) in an unknown way")
        }
        let described = dump.command.arguments ?? []
        let names = Set(described.flatMap(\.allNames))
        var flags: [Flag] = []
        var byName: [String: Flag] = [:]
        for argument in described {
            guard let name = argument.allNames.first, name != "help" else { continue }
            let isSwitch = argument.kind == "flag"
            // The second half of a pair such as --deterministic and --no-deterministic.
            if isSwitch, let other = Self.inverted(name), names.contains(other) { continue }
            let flag = Flag(
                name: name, isSwitch: isSwitch, canBeUnset: argument.defaultValue == nil,
                isPath: argument.completionKind?.isPath ?? false)
            flags.append(flag)
            for name in argument.allNames { byName[name] = flag }
        }
        self.flags = flags
        self.byName = byName
    }

    /// The flag of a name as a person writes it, with underscores or dashes, and whether the name switches it off.
    func flag(named written: String) -> (flag: Flag, isOff: Bool)? {
        let name = written.replacing("_", with: "-")
        if let flag = byName[name] { return (flag, false) }
        guard let other = Self.inverted(name), let flag = byName[other], flag.isSwitch else { return nil }
        return (flag, true)
    }

    /// Whether a flag may be without any value.
    func canBeUnset(_ name: String) -> Bool { byName[name]?.canBeUnset ?? false }

    private static func inverted(_ name: String) -> String? {
        name.hasPrefix("no-") ? String(name.dropFirst("no-".count)) : nil
    }

    /// What the parser prints for `--experimental-dump-help`, as far as it is needed.
    private struct Dump: Decodable {
        struct Command: Decodable {
            let arguments: [Argument]?
        }

        struct Argument: Decodable {
            struct Name: Decodable {
                let kind: String
                let name: String
            }

            /// What a shell completes the value by.
            struct Completion: Decodable {
                let isPath: Bool

                private enum Kind: CodingKey { case file, directory }

                init(from decoder: any Decoder) throws {
                    isPath = try !decoder.container(keyedBy: Kind.self).allKeys.isEmpty
                }
            }

            let kind: String
            let names: [Name]?
            let defaultValue: String?
            let completionKind: Completion?

            var allNames: [String] { (names ?? []).filter { $0.kind == "long" }.map(\.name) }
        }

        let command: Command
    }
}
