import Features
import Communication
import Evaluation
import Tensors
import TestSupport
import Testing

@Suite("A linear probe trained on features")
struct ProbeTrainingTests {
    private let fixture: EvaluationFixture

    init() throws { fixture = try EvaluationFixture() }

    private static var configuration: ProbeTraining.Configuration {
        var c = ProbeTraining.Configuration()
        (c.batch, c.epochs, c.warmupEpochs, c.baseRates) = (50, 40, 2, [10, 30])
        return c
    }

    private func probe(in world: any Communicator) throws -> ProbeTraining {
        let features = try fixture.features("training", rank: world.rank, ranks: world.size)
        return ProbeTraining(
            Self.configuration, on: features, [.cls], classes: EvaluationFixture.classes, in: world,
            try Team(threads: 1), plan: MemoryPlan())
    }

    private func accuracies(_ probe: ProbeTraining, in world: any Communicator) throws -> [Double] {
        let test = try fixture.features("test", rank: world.rank, ranks: world.size)
        return try probe.heads.classifiers().map {
            try ClassificationAccuracy(of: $0.classifier, on: test, .cls, in: world, Team(threads: 1)).top1
        }
    }

    @Test("is the same at any number of ranks, whatever their shares", arguments: [2, 3, 4])
    func ranks(_ ranks: Int) throws {
        func run(_ ranks: Int) throws -> [(values: [Float], accuracies: [Double], losses: [Double])] {
            try InProcessWorld.run(ranks: ranks) { world in
                let probe = try probe(in: world)
                var losses: [Double] = []
                try probe.run { losses += $0.losses }
                return (probe.heads.values.array, try accuracies(probe, in: world), losses)
            }
        }
        let alone = try run(1)[0]
        #expect(alone.accuracies.allSatisfy { $0 > 0.4 } && alone.losses.last.map { $0 < alone.losses[1] } == true)
        for found in try run(ranks) {
            #expect(zip(found.values, alone.values).allSatisfy { abs($0 - $1) < 1e-3 })
            #expect(found.accuracies == alone.accuracies)
        }
    }

    @Test("goes on from a file as if it had not stopped", arguments: [1, 2])
    func resume(ranks: Int) throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("linprobe.safetensors")
        struct Stop: Error {}
        let found = try InProcessWorld.run(ranks: ranks) { world in
            let whole = try probe(in: world)
            try whole.run { _ in }
            let first = try probe(in: world)
            do {
                try first.run { ended in
                    try first.save(to: path, settings: "these", in: world)
                    if ended.number == 5 { throw Stop() }
                }
            } catch is Stop {}
            let second = try probe(in: world)
            #expect(try ProbeFile.epoch(in: path, settings: "these", in: world) == 5)
            #expect(throws: (any Error).self) { try ProbeFile.epoch(in: path, settings: "others", in: world) }
            try second.restore(from: path, settings: "these", in: world)
            try second.run { _ in }
            return (whole.heads.values.array, second.heads.values.array)
        }
        for (whole, resumed) in found { #expect(whole == resumed) }
    }
}
