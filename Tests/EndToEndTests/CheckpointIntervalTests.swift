import Foundation
import TestSupport
import Testing

@Suite("A run is saved as often as --checkpoint-every says, also in the middle of an epoch", .serialized)
struct CheckpointIntervalTests {
    private func checkpoints(_ run: String) throws -> [Int] {
        try FileManager.default.contentsOfDirectory(atPath: run).compactMap {
            $0.hasPrefix("checkpoint-") ? Int($0.dropFirst("checkpoint-".count)) : nil
        }.sorted()
    }

    @Test("every so many steps, whatever the ranks share, and the run resumed from there has the same bits")
    func steps() throws {
        for (ranks, more) in [(1, []), (2, ["--shard-optimizer"])] {
            let folder = try TemporaryDirectory()
            func arguments(_ name: String) -> [String] {
                SmallRun.arguments(folder.file(name), epochs: 2) + more + [
                    "--checkpoint-every", "7steps", "--keep-checkpoints", "99",
                ]
            }
            let whole = try Program.run(arguments("whole"), ranks: ranks)
            #expect(whole.exitCode == 0, "\(whole.errors)")
            // 20 steps an epoch.
            #expect(try checkpoints(folder.file("whole")) == [7, 14, 21, 28, 35, 40])
            let part = folder.file("part")
            try FileManager.default.createDirectory(atPath: part, withIntermediateDirectories: true)
            for name in ["checkpoint-00000028", "log.txt", "config.yaml"] {
                try FileManager.default.copyItem(atPath: folder.file("whole/\(name)"), toPath: "\(part)/\(name)")
            }
            let resumed = try Program.run(arguments("part") + ["--resume", "auto"], ranks: ranks)
            #expect(resumed.exitCode == 0, "\(resumed.errors)")
            let weights = { (name: String) in try SmallRun.weights(folder.file(name), step: 40, keyBiases: true) }
            #expect(try weights("part") == weights("whole"))
            #expect(try RunDirectoryTests.epochs(ofLog: "\(part)/log.txt") == [0, 1])
        }
    }

    @Test("every so many seconds")
    func seconds() throws {
        let folder = try TemporaryDirectory()
        let result = try Program.run(
            SmallRun.arguments(folder.file("run"), epochs: 100_000, images: 400_000) + ["--checkpoint-every", "1s"]
        ) { process in
            // An epoch has 50,000 steps: these are saves in the middle of one.
            try wait { ((try? checkpoints(folder.file("run")))?.count ?? 0) >= 2 }
            kill(process.processIdentifier, SIGUSR1)
        }
        #expect(result.exitCode == 85, "\(result.errors)")
    }

    @Test(
        "what is no interval is refused by name", arguments: ["0", "-1", "5x", "min", "0steps", "inf", "1.5", "nans"])
    func refused(text: String) throws {
        let result = try Program.run(SmallRun.arguments("") + ["--checkpoint-every=\(text)", "--dry-run"])
        #expect(result.exitCode == 64 && result.messages.count == 1, "\(result.errors)")
        #expect(result.messages.first?.contains("--checkpoint-every") == true, "\(result.errors)")
    }
}
