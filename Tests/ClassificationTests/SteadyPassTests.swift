import AllocationCounter
import Augmentation
import Classification
import Communication
import ImageData
import Layers
import Models
import Runs
import Tensors
import Testing
import Training

/// Without optimisation the loops of the standard library allocate.
#if DEBUG
    private let isOptimized = false
#else
    private let isOptimized = true
#endif

@Suite("A pass in the steady state", .enabled(if: isOptimized))
struct SteadyPassTests {
    /// The fewest heap allocations of a micro-batch, in a process of its own, where other threads may allocate now and then.
    private static func fewestAllocations<O: Objective>(_ objective: O, classes: Int32, _ team: Team) throws -> Int {
        let pass = GradientPass(
            objective, accumulation: 1, communicator: SingleProcess(), team: team, clock: PhaseClock(),
            plan: MemoryPlan())
        let images = Matrix(rows: 4, columns: FineTuningRun.transform.elementCount)
        images.fill(0.5)
        let batch = Batch(
            images: images, labels: IndexMatrix(rows: 4, columns: 1, values: [0, 1, 2, classes - 1]),
            samples: MatrixView<Int>(rows: 4, columns: 1, values: [4, 1, 7, 2]), micro: 0)
        return try (0..<20).map { _ in
            let before = allocation_count()
            _ = try pass.differentiate(batch)
            return allocation_count() - before
        }.min() ?? .max
    }

    @Test("of fine-tuning, with mixup and dropped branches, allocates nothing")
    func fineTuning() async {
        await #expect(processExitsWith: .success) {
            let (memory, team) = (MemoryPlan(), try Team(threads: 2))
            let c = ClassificationFixture.configuration(.mean, dropPath: 0.3)
            let model = VisionTransformerClassifier(c, .bfloat16, plan: memory)
            model.initialize(seed: 1)
            let mixing = ImageMixing(
                Mixing(mixupAlpha: 0.8, cutmixAlpha: 1), size: FineTuningRun.size, seed: 1)
            let objective = ClassificationObjective(
                model, smoothing: 0.1, batch: BatchPlan(images: 4), rank: 0, seed: 1, mixing: mixing, team: team,
                memory: memory)
            #expect(try SteadyPassTests.fewestAllocations(objective, classes: 7, team) == 0)
        }
    }

    @Test("of an attentive probe allocates nothing")
    func attentiveProbe() async {
        await #expect(processExitsWith: .success) {
            let (memory, team) = (MemoryPlan(), try Team(threads: 2))
            let c = ClassificationFixture.configuration(.cls).encoder
            let parameters = ParameterSet(VisionTransformer.specifications(c), plan: memory)
            parameters.initialize(seed: 1)
            let encoder = VisionTransformer(c, parameters, .bfloat16, plan: memory)
            var shape = AttentiveProbeConfiguration(width: c.embedDim, classes: 7)
            shape.queries = 3
            let probe = AttentiveProbe(shape, plan: memory)
            probe.parameters.initialize(seed: 2)
            let objective = AttentiveProbeObjective(
                encoder, probe, batch: BatchPlan(images: 4), rank: 0, team: team, memory: memory)
            team.run { encoder.packWeights(in: objective.contexts[$0.index]) }
            #expect(try SteadyPassTests.fewestAllocations(objective, classes: 7, team) == 0)
        }
    }
}
