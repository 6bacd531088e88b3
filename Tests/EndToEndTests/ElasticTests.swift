import Foundation
import TestSupport
import Testing

@Suite("A run goes on at another number of ranks with the same samples and the same global batch", .serialized)
struct ElasticTests {
    @Test("8 → 4 → 1 → 2 ranks equals the uninterrupted run")
    func chain() throws {
        let folder = try TemporaryDirectory()
        func arguments(_ name: String, epochs: Int) -> [String] {
            // The schedule is that of four epochs throughout.
            SmallRun.arguments(folder.file(name), epochs: 4, batch: 16) + ["--checkpoint-every", "1"]
        }
        let whole = try Program.run(arguments("whole", epochs: 4))
        #expect(whole.exitCode == 0, "\(whole.errors)")
        for (index, ranks) in [8, 4, 1, 2].enumerated() {
            let resume = index == 0 ? [] : ["--resume", "auto"]
            let run = try Program.run(arguments("parts", epochs: 4) + resume, ranks: ranks)
            #expect(run.exitCode == 0, "\(run.errors)")
            // As if it had been stopped after one more epoch.
            for later in (index + 2)..<max(5, index + 3) where later <= 4 {
                try? FileManager.default.removeItem(atPath: folder.file("parts/checkpoint-000000\(later * 10)"))
            }
        }
        let expected = try SmallRun.weights(folder.file("whole"), step: 40)
        let error = relativeError(try SmallRun.weights(folder.file("parts"), step: 40), expected)
        #expect(error < 1e-5, "relative error \(error)")
    }

    @Test("with a batch for each rank, micro-batches make up for ranks that are gone")
    func batchPerRank() throws {
        let folder = try TemporaryDirectory()
        func arguments(_ name: String) -> [String] {
            SmallRun.arguments(folder.file(name), epochs: 2, batchPerRank: 4) + ["--checkpoint-every", "1"]
        }
        let whole = try Program.run(arguments("whole"), ranks: 4)
        #expect(whole.exitCode == 0, "\(whole.errors)")
        _ = try Program.run(arguments("parts"), ranks: 4)
        try FileManager.default.removeItem(atPath: folder.file("parts/checkpoint-00000020"))
        let resumed = try Program.run(arguments("parts") + ["--resume", "auto"], ranks: 2)
        #expect(resumed.exitCode == 0, "\(resumed.errors)")
        #expect(resumed.output.contains("the effective batch stays 16: 2 ranks × 2 micro-batches of 4"))
        let error = relativeError(
            try SmallRun.weights(folder.file("parts"), step: 20), try SmallRun.weights(folder.file("whole"), step: 20))
        #expect(error < 1e-5, "relative error \(error)")
    }

    @Test("where the batch cannot be divided, one line says so and names what can be")
    func indivisible() throws {
        let folder = try TemporaryDirectory()
        let arguments = SmallRun.arguments(folder.file("run"), batchPerRank: 4)
        let first = try Program.run(arguments, ranks: 4)
        #expect(first.exitCode == 0, "\(first.errors)")
        let result = try Program.run(arguments + ["--resume", "auto", "--epochs", "2"], ranks: 3)
        #expect(result.exitCode != 0 && result.messages.count == 1, "\(result.errors)")
        #expect(result.messages.first?.contains("16 images cannot be divided among 3 ranks: use 2 ranks or 4") == true)
    }
}
