import Foundation
import TestSupport
import Testing

@Suite("--deterministic writes the same figures at any number of ranks", .serialized)
struct DeterministicLogTests {
    /// What a run wrote about itself: all of log.txt but the speed, and what state.json remembers of losses.
    private struct Figures: Equatable {
        var log: [[String: Double]] = []
        var spikeGuard: NSDictionary = [:]
    }

    static let regularizers = [
        "spectral", "none", "koleo", "spectral-offdiagonal", "spectral-centred", "uniformity", "tcr",
        "vicreg-covariance",
    ]

    private func figures(
        _ folder: TemporaryDirectory, batch: Int, ranks: Int?, _ more: [String]
    ) throws -> Figures {
        let output = folder.file("\(batch)-\(ranks ?? 1)")
        let arguments = SmallRun.arguments(output, epochs: 1, images: 3 * batch, batch: batch)
        let result = try Program.run(
            arguments + ["--deterministic", "--spike-guard", "skip"] + more, ranks: ranks)
        #expect(result.exitCode == 0, "\(result.errors)")
        var figures = Figures()
        figures.log = try String(contentsOfFile: "\(output)/log.txt", encoding: .utf8).split(separator: "\n").map {
            var line = try object(Data($0.utf8))
            line["images_per_second"] = nil
            return line.compactMapValues { $0 as? Double }
        }
        let state = try object(
            Data(contentsOf: URL(fileURLWithPath: "\(output)/checkpoint-00000003/state.json")))
        figures.spikeGuard = try #require(state["spikeGuard"] as? NSDictionary)
        return figures
    }

    private func object(_ data: Data) throws -> [String: Any] {
        try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    /// N² is a power of two for 32 alone; only then is dividing parts of a sum by it exact.
    @Test("log.txt and the spike guard's means", arguments: regularizers, [24, 32, 56])
    func figures(regularizer: String, batch: Int) throws {
        let folder = try TemporaryDirectory()
        let more = ["--reg", regularizer]
        let alone = try figures(folder, batch: batch, ranks: nil, more)
        #expect(alone.log.count == 1)
        for key in ["train_loss", "train_loss_reg", "train_loss_ce", "train_acc", "effective_rank", "train_grad_norm"] {
            #expect(alone.log.first?[key] != nil, "\(key)")
        }
        for ranks in [2, 4, 8] {
            let shared = try figures(folder, batch: batch, ranks: ranks, more)
            for (key, value) in alone.log.first ?? [:] {
                #expect(shared.log.first?[key] == value, "\(key) at \(ranks) ranks")
            }
            #expect(shared == alone, "\(ranks) ranks")
        }
    }
}
