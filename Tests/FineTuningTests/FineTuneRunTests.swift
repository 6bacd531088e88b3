import Checkpoints
import Classification
import Communication
import DataParallel
import Evaluation
import Features
import Models
import FineTuning
import Foundation
import Layers
import Runs
import Safetensors
import Tensors
import TestSupport
import Testing
import TrainingRuns

@Suite("A run that fine-tunes")
struct FineTuneRunTests {
    /// All that draws numbers: crops, operations, erasing, mixing, dropped branches.
    private static var everything: SmallFineTuning {
        var run = SmallFineTuning()
        (run.configuration.augmentation.mixup, run.configuration.augmentation.cutmix) = (0.8, 1)
        return run
    }

    @Test("gone on with from any checkpoint, ends with the same bits, its average and its best epoch too")
    func resumes() throws {
        let folder = try TemporaryDirectory()
        let whole = try Self.everything.outcome(in: folder.file("whole"))
        #expect(whole.lines.count == 2 && whole.lines[0] != whole.lines[1])
        for step in [2, 4] {
            let rest = try Self.everything.outcome(resuming: folder.file("whole/checkpoint-0000000\(step)"))
            #expect(rest.weights == whole.weights && rest.average == whole.average, "from step \(step)")
            #expect(rest.best == whole.best)
            let (last, other) = (try #require(rest.lines.last), try #require(whole.lines.last))
            #expect(last.testLoss == other.testLoss && last.testAcc1EMA == other.testAcc1EMA)
            #expect(last.trainLoss == other.trainLoss && last.trainAcc == other.trainAcc)
        }
    }

    @Test("has the same figures and weights at any number of ranks, 25 test images among them", arguments: [2, 3, 4])
    func ranks(ranks: Int) throws {
        let run = SmallFineTuning()
        let alone = try run.outcome()
        for own in try InProcessWorld.run(ranks: ranks, { try run.outcome(on: $0) }) {
            #expect(relativeError(own.weights, alone.weights) < 1e-4)
            #expect(relativeError(own.average ?? [], alone.average ?? []) < 1e-4)
            for (line, expected) in zip(own.lines, alone.lines) {
                #expect(abs(line.trainLoss - expected.trainLoss) < 1e-5 && line.trainAcc == expected.trainAcc)
                #expect(abs(line.testLoss - expected.testLoss) < 1e-5 && line.testAcc1 == expected.testAcc1)
                #expect(line.testAcc5EMA == expected.testAcc5EMA)
            }
        }
    }

    @Test("with fixed shards has the same bits at any number of ranks, mixing included")
    func shards() throws {
        var run = Self.everything
        func weights(ranks: Int) throws -> [[Float]] {
            run.configuration.update.gradientExchange.fixedShards = 4
            run.configuration.update.accumulation = 4 / ranks
            let run = run
            return try InProcessWorld.run(ranks: ranks) { try run.outcome(on: $0).weights }
        }
        let alone = try weights(ranks: 1)[0]
        for own in try weights(ranks: 2) + weights(ranks: 4) { #expect(own == alone) }
    }

    @Test("keeps what a shared update leaves, and goes on from it")
    func sharedUpdates() throws {
        let folder = try TemporaryDirectory()
        var run = Self.everything
        run.configuration.update.gradientExchange.shardsOptimizer = true
        let shared = run
        let whole = try InProcessWorld.run(ranks: 2) { try shared.outcome(on: $0, in: folder.file("run")) }
        let rest = try InProcessWorld.run(ranks: 2) {
            try shared.outcome(on: $0, resuming: folder.file("run/checkpoint-00000004"))
        }
        #expect(rest.map(\.weights) == whole.map(\.weights) && rest.map(\.average) == whole.map(\.average))
    }

    @Test("holds what its plan has counted, and takes no memory for the counting", arguments: [false, true])
    func plan(averages: Bool) throws {
        var small = SmallFineTuning()
        small.configuration.classification.averageDecay = averages ? 0.9 : nil
        let run = try small.run(saves: true)
        let counted = try small.layout().plan(
            small.configuration, saves: true, on: RankResources(SingleProcess(), try Team(threads: 1)))
        for purpose in MemoryPlan.Purpose.allCases where purpose != .data {
            #expect(counted.bytes(for: purpose) == run.plan.bytes(for: purpose), "\(purpose)")
        }
    }

    @Test("tested alone, does as after its last epoch")
    func testedAlone() throws {
        let folder = try TemporaryDirectory()
        let small = Self.everything
        let last = try #require(try small.outcome(in: folder.file("run")).lines.last)
        let point = try FineTuneResumePoint(try CheckpointStore.open(folder.file("run")) { _ in })
        let found = try InProcessWorld.run(ranks: 2) { world in
            try FineTunedClassifier(
                point, point.state.configuration, small.layout(), images: 7,
                on: RankResources(world, try Team(threads: 1))
            ).test()
        }
        for figures in found {
            #expect(100 * figures.own.accuracy.top1 == last.testAcc1)
            #expect(figures.average.map { 100 * $0.accuracy.top5 } == last.testAcc5EMA)
            #expect(abs(figures.own.crossEntropy - last.testLoss) < 1e-6)
        }
    }
}

@Suite("The average of weights")
struct WeightAverageTests {
    private let team: Team
    private let parameters: ParameterSet

    init() throws {
        team = try Team(threads: 2)
        parameters = ParameterSet([ParameterSpecification("w", [1000], .zeros)], plan: MemoryPlan())
        parameters.values.fill(1)
    }

    @Test("becomes d · average + (1 − d) · weights after each update, and begins with the weights")
    func follows() throws {
        var small = SmallFineTuning()
        small.configuration.schedule.epochs = 1
        let run = try small.run()
        let start = run.task.model.parameters.values.array
        #expect(run.task.average?.values.array == start)
        let folder = try TemporaryDirectory()
        _ = try small.outcome(in: folder.file("run"))
        // One was written while training went on, the other at the end.
        let (second, third) = (
            try CheckpointStore.open(folder.file("run/checkpoint-00000002")) { _ in },
            try CheckpointStore.open(folder.file("run/checkpoint-00000003")) { _ in }
        )
        let weights = try third.weights().floats("head.weight")
        let expected = try zip(second.optimizer().floats("ema.head.weight"), weights).map {
            Float(0.75) * $0 + Float(0.25) * $1
        }
        let found = try third.optimizer().floats("ema.head.weight")
        #expect(found == expected && found != weights)
    }

    @Test("takes the weights' place, and leaves it")
    func inPlace() {
        let average = WeightAverage(of: parameters, decay: 0.5, team: team, plan: MemoryPlan())
        average.values.fill(3)
        let seen = average.whileInPlace { parameters.values.array }
        #expect(seen == [Float](repeating: 3, count: 1000))
        #expect(parameters.values.array == [Float](repeating: 1, count: 1000))
        #expect(average.values.array == seen)
    }
}

@Suite("Checkpoints of a run that fine-tunes")
struct FineTuneCheckpointTests {
    @Test("are not gone on from by a run of another kind, nor are others by this one")
    func kinds() throws {
        let folder = try TemporaryDirectory()
        _ = try SmallFineTuning().outcome(in: folder.file("run"))
        let checkpoint = try CheckpointStore.open(folder.file("run")) { _ in }
        let error = thrownError(RunDirectoryError.self) {
            try RunState<OtherConfiguration, ClassificationFigures>(of: checkpoint)
        }
        #expect(error?.description.hasSuffix("it is of a run of finetune, not of pretrain") == true, "\(error as Any)")
        let path = "\(checkpoint.path)/state.json"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        try text.replacing("\"kind\" : \"finetune\",", with: "").write(toFile: path, atomically: true, encoding: .utf8)
        #expect(throws: RunDirectoryError.self) { try FineTuneState(of: checkpoint) }
    }

    /// As pretraining's: of no kind.
    private struct OtherConfiguration: RunConfiguration {
        var update = UpdateConfiguration()
        var schedule = Schedule()
        var data = DataConfiguration()
        var accumulationDecidesNumbers: Bool { false }
        static var kind: String? { nil }
    }

    @Test("that have no average begin it with their weights")
    func withoutAverage() throws {
        let folder = try TemporaryDirectory()
        var small = SmallFineTuning()
        small.configuration.classification.averageDecay = nil
        _ = try small.outcome(in: folder.file("run"))
        small.configuration.classification.averageDecay = 0.9
        let run = try small.run(resuming: folder.file("run/checkpoint-00000004"))
        #expect(run.task.average?.values.array == run.task.model.parameters.values.array)
    }

    @Test("have their whole configuration")
    func configuration() throws {
        var configuration = SmallFineTuning().configuration
        configuration.augmentation.cutmixRange = [0.2, 0.8]
        configuration.augmentation.policy = nil
        configuration.classification.pretrained = "/runs/a"
        let data = try JSONEncoder().encode(configuration)
        #expect(try JSONDecoder().decode(FineTuneConfiguration.self, from: data) == configuration)
    }
}

@Suite("What fine-tuning begins with")
struct PretrainedEncoderTests {
    private struct State: Encodable {
        struct Configuration: Encodable {
            let model: MaskedAutoencoderConfiguration
            let dataPath = "synthetic"
            let exif = "ignore"
        }
        let configuration: Configuration
    }

    /// A checkpoint of an encoder of 12 × 8 pixels that is filled with a number for each tensor.
    private func checkpoint(in folder: TemporaryDirectory, without missing: String = "") throws -> PretrainedModel {
        var shape = SmallFineTuning().configuration.model.encoder
        (shape.imageHeight, shape.finalNorm, shape.feature) = (12, true, .cls)
        var model = MaskedAutoencoderConfiguration()
        model.encoder = shape
        let parameters = ParameterSet(VisionTransformer.specifications(shape), plan: MemoryPlan())
        for (index, tensor) in parameters.trainable.enumerated() { parameters[tensor.name].value.fill(Float(index)) }
        let store = try CheckpointStore(runDirectory: folder.path, keep: 1)
        let saved = try store.save(
            step: 1, weights: parameters.namedTensors(parameters.values).filter { $0.name != missing }, optimizer: [],
            state: State(configuration: .init(model: model)))
        return try PretrainedModel(saved.checkpoint)
    }

    @Test("is the encoder of the checkpoint, its positions brought to the size of the images, and a head of its own")
    func begins() throws {
        let folder = try TemporaryDirectory()
        let parameters = try SmallFineTuning().run(from: checkpoint(in: folder)).task.model.parameters
        func value(_ name: String) -> Set<Float> { Set(parameters[name].value.array) }
        #expect(value("patch_embed.proj.weight") == [0] && value("blocks.1.attn.qkv.weight").count == 1)
        #expect(value("pos_embed").allSatisfy { abs($0 - 3) < 1e-5 })
        #expect(value("head.weight").count > 100 && value("fc_norm.weight") == [1])
        #expect(parameters["pos_embed"].value.count == 5 * 16)
    }

    @Test("has no biases, another ε and no position of the class token where pretraining had it so")
    func switches() throws {
        var encoder = VisionTransformerConfiguration()
        (encoder.qkvBias, encoder.normEpsilon, encoder.clsPosition) = (false, 1e-5, false)
        let made = ClassifierConfiguration(of: encoder, classes: 3).encoder
        #expect(!made.qkvBias && made.normEpsilon == 1e-5 && !made.clsPosition)
        var small = SmallFineTuning()
        small.configuration.model.clsPosition = false
        small.configuration.model.qkvBias = false
        small.configuration.schedule.epochs = 1
        let run = try small.run()
        _ = try run.run(in: nil, savingEvery: .epochs(1))
        let positions = run.task.model.parameters["pos_embed"].value
        // The row of the class token stays zero, and those of the patches are trained.
        #expect(positions.array[..<16].allSatisfy { $0 == 0 } && positions.array[16...].allSatisfy { $0 != 0 })
    }

    @Test("must have every tensor of an encoder")
    func lacking() throws {
        let folder = try TemporaryDirectory()
        let start = try checkpoint(in: folder, without: "blocks.1.attn.qkv.weight")
        let error = thrownError(AgreedFailure.self) { try SmallFineTuning().run(from: start) }
        #expect(error?.description.contains("blocks.1.attn.qkv.weight") == true, "\(error as Any)")
    }
}
