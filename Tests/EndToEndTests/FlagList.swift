import Foundation
import Testing

/// The flags of a command as the program itself lists them, so that a test cannot miss a new one.
struct FlagList: Decodable {
    struct Command: Decodable {
        let commandName: String
        let arguments: [Flag]?
        let subcommands: [Command]?
    }

    struct Flag: Decodable {
        struct Name: Decodable {
            let name: String
        }

        let kind: String
        let names: [Name]?
        let allValues: [String]?

        let preferredName: Name?

        var name: String { preferredName?.name ?? "" }
        var isSwitch: Bool { kind == "flag" }
    }

    let command: Command

    /// Every command but `help`.
    static func commands() throws -> [String] {
        let result = try Program.run(["--experimental-dump-help"])
        let list = try JSONDecoder().decode(FlagList.self, from: Data(result.output.utf8)).command
        return (list.subcommands ?? []).map(\.commandName).filter { $0 != "help" }
    }

    /// Without the second half of pairs such as `--deterministic` and `--no-deterministic`, without `--help` and `--version`,
    /// and without what is given by its place.
    static func of(_ command: String) throws -> [Flag] {
        let result = try Program.run([command, "--experimental-dump-help"])
        let list = try JSONDecoder().decode(FlagList.self, from: Data(result.output.utf8)).command
        func find(_ candidate: Command) -> Command? {
            candidate.commandName == command
                ? candidate : (candidate.subcommands ?? []).lazy.compactMap(find).first
        }
        let flags = try #require(find(list)?.arguments, "\(result.output)")
        return flags.filter {
            $0.kind != "positional" && !$0.name.hasPrefix("no-") && !["help", "version"].contains($0.name)
        }
    }
}
