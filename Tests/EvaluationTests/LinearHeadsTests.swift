import Features
import Communication
import Evaluation
import Foundation
import Optimization
import Safetensors
import Tensors
import TestSupport
import Testing

@Suite("MAE's linear probe against PyTorch (scripts/fixtures/linprobe.py), step by step")
struct LinearHeadsTests {
    private static let (classes, width, batch, steps) = (5, 12, 17, 4)
    private static let baseRates = [0.1, 2.0]
    private static let rates = [0.0, 1.5, 3.0, 2.0]
    private let file: SafetensorsFile

    init() throws {
        let path = Bundle.module.path(forResource: "linprobe", ofType: "safetensors", inDirectory: "Fixtures")
        file = try SafetensorsFile(path: try #require(path))
    }

    private func heads(in world: any Communicator, _ statistics: BatchStatistics = .global) throws -> LinearHeads {
        var configuration = LARS.Configuration()
        configuration.weightDecay = 0.01
        let heads = LinearHeads(
            of: [.cls, .pooled], width: Self.width, classes: Self.classes, baseRates: Self.baseRates, statistics,
            configuration, seed: 1, in: world, try Team(threads: 2), plan: MemoryPlan())
        let initial = try file.floats("initial")
        // Weights of both rates, then their biases, of each feature.
        let biases = [Float](repeating: 0, count: 2 * Self.classes)
        heads.values.copy(from: initial + initial + biases + initial + initial + biases)
        return heads
    }

    /// The images of a batch that a rank has: none of them on the last of four ranks in the second step.
    private func part(step: Int, rank: Int, ranks: Int) throws -> (rows: Matrix, labels: [Int32]) {
        let (rows, labels) = (try file.floats("rows"), try file.floats("labels"))
        let batch = try file.floats("batches")[step * Self.batch..<(step + 1) * Self.batch].map { Int($0) }
        let busy = ranks == 4 && step == 1 ? 3 : ranks
        let own = batch.enumerated().filter { $0.offset % busy == rank }.map(\.element)
        let values = own.flatMap { rows[$0 * Self.width..<($0 + 1) * Self.width] }
        return (Matrix(rows: own.count, columns: Self.width, values: values), own.map { Int32(labels[$0]) })
    }

    private func isClose(_ a: [Float], _ b: [Float]) -> Bool {
        let scale = b.reduce(0) { max($0, abs($1)) }
        return a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= 2e-5 * max(scale, 1e-6) }
    }

    @Test("weights, losses and what the heads say of other images", arguments: [1, 2, 4])
    func steps(ranks: Int) throws {
        _ = try InProcessWorld.run(ranks: ranks) { world in
            let heads = try heads(in: world)
            var losses = [[Double]](repeating: [], count: 4)
            for step in 0..<Self.steps {
                let part = try part(step: step, rank: world.rank, ranks: ranks)
                let found = try heads.step(
                    [.cls: part.rows, .pooled: part.rows], labels: part.labels, count: Self.batch,
                    rate: Self.rates[step],
                    number: step + 1)
                for (head, loss) in found.enumerated() { losses[head].append(loss) }
                for (index, found) in try heads.classifiers().enumerated() {
                    #expect(found.head.feature == (index < 2 ? .cls : .pooled))
                    #expect(found.head.baseRate == Self.baseRates[index % 2])
                    let name = "\(index % 2).\(step)"
                    #expect(isClose(found.classifier.weights.array, try file.floats("weight.\(name)")), "\(name)")
                    #expect(isClose(found.classifier.bias.array, try file.floats("bias.\(name)")), "\(name)")
                }
            }
            for (head, losses) in losses.enumerated() {
                #expect(isClose(losses.map { Float($0) }, try file.floats("losses.\(head % 2)")))
            }
            let test = try file.floats("test")
            let rows = Matrix(rows: test.count / Self.width, columns: Self.width, values: test)
            for (index, found) in try heads.classifiers().enumerated() {
                #expect(
                    isClose(
                        found.classifier.logits(of: rows, try Team(threads: 1)).array,
                        try file.floats("logits.\(index % 2)")))
            }
            return 0
        }
    }

    @Test("each rank may normalise by its own images, and rank 0's statistics are those of evaluation")
    func ownStatistics() throws {
        let logits = try InProcessWorld.run(ranks: 2) { world in
            let heads = try heads(in: world, .rank)
            for step in 0..<2 {
                let part = try part(step: step, rank: world.rank, ranks: 2)
                _ = try heads.step(
                    [.cls: part.rows, .pooled: part.rows], labels: part.labels, count: Self.batch, rate: 1,
                    number: step + 1)
            }
            let test = try file.floats("test")
            let rows = Matrix(rows: test.count / Self.width, columns: Self.width, values: test)
            return try heads.classifiers()[0].classifier.logits(of: rows, Team(threads: 1)).array
        }
        #expect(logits[0] == logits[1])
        let together = try InProcessWorld.run(ranks: 2) { world in
            let heads = try heads(in: world)
            let part = try part(step: 0, rank: world.rank, ranks: 2)
            _ = try heads.step(
                [.cls: part.rows, .pooled: part.rows], labels: part.labels, count: Self.batch, rate: 1, number: 1)
            return try heads.classifiers()[0].classifier.weights.array
        }
        let apart = try InProcessWorld.run(ranks: 2) { world in
            let heads = try heads(in: world, .rank)
            let part = try part(step: 0, rank: world.rank, ranks: 2)
            _ = try heads.step(
                [.cls: part.rows, .pooled: part.rows], labels: part.labels, count: Self.batch, rate: 1, number: 1)
            return try heads.classifiers()[0].classifier.weights.array
        }
        #expect(together[0] == together[1] && apart[0] == apart[1] && apart[0] != together[0])
    }
}
