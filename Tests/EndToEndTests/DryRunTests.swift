import Foundation
import TestSupport
import Testing

@Suite("--dry-run refuses what the run refuses, and neither it nor --print-config changes anything", .serialized)
struct DryRunTests {
    private func tiny(_ output: String) -> [String] { SmallRun.arguments(output, images: 16) }

    struct Refusal: CustomTestStringConvertible, Sendable {
        let name: String
        /// %@ stands for the test's directory.
        let arguments: [String]
        var testDescription: String { name }
    }

    @Test(
        "the same line and the same code, with and without it",
        arguments: [
            Refusal(name: "a directory that holds a run", arguments: ["--output-dir", "%@/held"]),
            Refusal(name: "no checkpoint to keep", arguments: ["--keep-checkpoints", "0"]),
            Refusal(name: "a stall timeout below a second", arguments: ["--stall-timeout", "0.5"]),
            Refusal(name: "a file in the directory's place", arguments: ["--output-dir", "%@/file"]),
            Refusal(name: "a directory below a file", arguments: ["--output-dir", "%@/file/run"]),
            Refusal(name: "a batch larger than the data", arguments: ["--effective-batch-size", "512"]),
            Refusal(name: "auto without a directory", arguments: ["--resume", "auto"]),
            Refusal(name: "another model", arguments: ["--output-dir", "%@/held", "--resume", "auto", "--depth", "1"]),
            Refusal(name: "a timeline that is a recipe", arguments: ["--timeline", "%@/recipe.yaml"]),
            Refusal(name: "a timeline nowhere", arguments: ["--timeline", "%@/file/t.json"]),
        ])
    func refusals(_ refusal: Refusal) throws {
        let folder = try TemporaryDirectory()
        #expect(try Program.run(tiny(folder.file("held"))).exitCode == 0)
        try "text\n".write(toFile: folder.file("file"), atomically: true, encoding: .utf8)
        try "lamb: 0.5\n".write(toFile: folder.file("recipe.yaml"), atomically: true, encoding: .utf8)
        let before = try RunDirectoryTests.picture(of: folder.path)
        // Without --output-dir, unless the case has one.
        let arguments =
            tiny("").dropLast(2) + refusal.arguments.map { $0.replacing("%@", with: folder.path) }
        let run = try Program.run(Array(arguments), directory: folder.path)
        let dry = try Program.run(Array(arguments) + ["--dry-run"], directory: folder.path)
        #expect(run.exitCode != 0 && run.exitCode == dry.exitCode, "\(run.exitCode), \(dry.exitCode): \(dry.errors)")
        #expect(run.messages.count == 1 && run.messages == dry.messages, "\(run.errors)\(dry.errors)")
        #expect(try RunDirectoryTests.picture(of: folder.path) == before)
    }

    @Test("nothing is changed, not even by a name", arguments: ["--dry-run", "--print-config"])
    func nothingChanges(_ flag: String) throws {
        let folder = try TemporaryDirectory()
        #expect(try Program.run(tiny(folder.file("held")) + ["--timeline", folder.file("t.json")]).exitCode == 0)
        let before = try RunDirectoryTests.picture(of: folder.path)
        for more in [
            ["--output-dir", folder.file("new/run"), "--resume", "auto"], ["--output-dir", ""],
            ["--output-dir", folder.file("held"), "--resume", "auto", "--epochs", "9"],
            ["--timeline", folder.file("t.json"), "--output-dir", folder.file("other")], [],
        ] {
            let result = try Program.run(
                Array(tiny("").dropLast(2)) + more + [flag], ranks: 2, directory: folder.path)
            #expect(result.exitCode == 0, "\(more) \(result.errors)")
        }
        #expect(try RunDirectoryTests.picture(of: folder.path) == before)
    }

    @Test("a resume that is refused leaves the run as it was, to be gone on with")
    func refusedResume() throws {
        let folder = try TemporaryDirectory()
        let run = folder.file("run")
        #expect(try Program.run(tiny(run) + ["--lamb", "0.123"]).exitCode == 0)
        let before = try RunDirectoryTests.picture(of: run)
        for more in [["--depth", "1"], ["--seed", "5"], ["--effective-batch-size", "4"]] {
            let refused = try Program.run(
                tiny(run) + ["--epochs", "3", "--lamb", "7", "--resume", "auto"] + more, ranks: 2,
                environment: Program.endingTogether)
            #expect(refused.exitCode == 64 && refused.messages.count == 1, "\(refused.errors)")
            #expect(refused.messages.first?.contains("cannot resume from") == true, "\(refused.errors)")
        }
        #expect(try RunDirectoryTests.picture(of: run) == before)
        let resumed = try Program.run(["--output-dir", run, "--resume", "auto", "--epochs", "2", "--print-config"])
        #expect(resumed.output.contains("lamb: 0.123"), "\(resumed.output)")
    }
}
