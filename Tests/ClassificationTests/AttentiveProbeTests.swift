import Augmentation
import Classification
import Communication
import DataParallel
import ImageArrays
import ImageData
import Layers
import Models
import Optimization
import Tensors
import TestSupport
import Testing
import Training

@Suite("An attentive probe")
struct AttentiveProbeTests {
    @Test("has the logits, the loss and every gradient of efficient probing by autograd", arguments: [1, 3])
    func parity(threads: Int) throws {
        let fixture = try ClassificationFixture()
        let labels = try fixture.labels("attentive.labels")
        let tokens = try fixture.matrix("attentive.tokens")
        var c = AttentiveProbeConfiguration(width: tokens.columns, classes: 7)
        (c.queries, c.narrowing) = (4, 2)
        try c.validate()
        let plan = MemoryPlan()
        let probe = AttentiveProbe(c, plan: plan)
        for specification in probe.parameters.specifications {
            probe.parameters[specification.name].value.copy(
                from: try fixture.values("attentive.weight.\(specification.name)"))
        }
        let perImage = tokens.rows / labels.count
        let activations = AttentiveProbe.Activations(c, images: labels.count, tokens: perImage, plan: plan)
        let team = try Team(threads: threads)
        let contexts = LayerContext.makeAll(
            team: team, maximumWidth: c.width,
            scratchBytes: probe.scratchBytes(images: labels.count, tokens: perImage), plan: plan)
        let loss = SoftTargetCrossEntropy(smoothing: 0, images: labels.count, plan: plan)
        let mixed = MixedLabels(images: labels.count, plan: plan)
        mixed.first.copy(from: labels)
        mixed.second.copy(from: labels)
        mixed.weight.fill(1)
        let own = Own()
        for adds in [false, true] {
            team.run { member in
                var context = contexts[member.index]
                context.addsToWeightGradients = adds
                if !adds { member.serially { probe.parameters.clearSummedGradients() } }
                probe.packWeights(in: context)
                probe.forward(tokens, activations, in: context)
                member.serially { own.values["logits"] = activations.logits.array }
                let outcome = loss.differentiate(activations.logits, mixed, globalImages: labels.count, in: context)
                if member.isFirst { own.values["loss"] = [Float(outcome.crossEntropy)] }
                probe.backward(tokens, activations, in: context) { own.finished.append($0) }
            }
            for specification in probe.parameters.specifications {
                own.values["grad.\(specification.name)"] =
                    probe.parameters[specification.name].gradient.array.map { adds ? $0 / 2 : $0 }
            }
            for (name, values) in own.values {
                let error = relativeError(values, try fixture.values("attentive.\(name)"))
                #expect(error <= ClassifierParityTests.tolerance, "\(name): \(error)")
            }
        }
        #expect(own.values.count == 6)
        #expect(own.finished.prefix(2).map(\.lowerBound) == [own.finished[1].upperBound, 0])
        #expect(own.finished[0].upperBound == probe.parameters.values.columns)
    }

    /// Written by the first thread alone.
    private final class Own: @unchecked Sendable {
        var values: [String: [Float]] = [:]
        var finished: [Range<Int>] = []
    }

    @Test("shapes that cannot be are refused", arguments: [(0, 1), (5, 1), (4, 5), (4, 4)])
    func refused(queries: Int, narrowing: Int) {
        var c = AttentiveProbeConfiguration(width: 24, classes: 7)
        (c.queries, c.narrowing) = (queries, narrowing)
        #expect(throws: ModelError.self) { try c.validate() }
    }

    /// Weights after some updates, and the losses.
    private func train(ranks: Int, accumulation: Int, threads: Int) throws -> [(weights: [Float], losses: [Double])] {
        var c = ClassificationFixture.configuration(.cls).encoder
        c.feature = .cls
        return try InProcessWorld.run(ranks: ranks) { [c] world in
            let memory = MemoryPlan()
            let plan = try BatchPlan(globalBatch: 12, ranks: ranks, accumulation: accumulation)
            let team = try Team(threads: threads)
            let parameters = ParameterSet(VisionTransformer.specifications(c), plan: memory)
            parameters.initialize(seed: 1)
            let encoder = VisionTransformer(c, parameters, .float32, plan: memory)
            var shape = AttentiveProbeConfiguration(width: c.embedDim, classes: 7)
            shape.queries = 3
            let probe = AttentiveProbe(shape, plan: memory)
            probe.parameters.initialize(seed: 2)
            let objective = AttentiveProbeObjective(
                encoder, probe, batch: plan, rank: world.rank, team: team, memory: memory)
            team.run { encoder.packWeights(in: objective.contexts[$0.index]) }
            let count = probe.parameters.values.columns
            let step = TrainStep(
                objective,
                optimizer: AdamW(
                    values: probe.parameters.values, tensors: [ParameterGroup(0..<count, decays: false)],
                    configuration: .init(), plan: memory),
                loader: try BatchLoader(
                    source: FineTuningRun.source, transform: FineTuningRun.transform,
                    division: EpochDivision(imageCount: FineTuningRun.images, plan, rank: world.rank), seed: 1,
                    workers: 0, plan: memory),
                rules: StepRules(), gradientSum: .init(), communicator: world, team: team, plan: memory)
            let before = parameters.values.array
            let losses = try (1...6).map { try step.run($0, learningRate: 0.05).figures.crossEntropy }
            #expect(parameters.values.array == before)
            return (probe.parameters.values.array, losses)
        }
    }

    @Test(
        "is trained on a frozen encoder, however the batch is divided",
        arguments: [(ranks: 1, accumulation: 1, threads: 2), (2, 1, 1), (3, 2, 1)])
    func divisions(ranks: Int, accumulation: Int, threads: Int) throws {
        let alone = try train(ranks: 1, accumulation: 1, threads: 1)[0]
        for outcome in try train(ranks: ranks, accumulation: accumulation, threads: threads) {
            #expect(relativeError(outcome.weights, alone.weights) < 1e-4)
            #expect(relativeError(outcome.losses, alone.losses) < 1e-5)
        }
        #expect(alone.losses[5] < alone.losses[0])
    }
}
