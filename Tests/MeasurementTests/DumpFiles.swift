import DataParallel
import Layers
import Measurement
import Models
import Optimization
import Pretraining
import Regularizers
import Runs
import Safetensors
import Tensors
import TestSupport
import TrainingRuns

/// Random weights and a random batch for `DebugDump`, different on every image.
struct DumpFiles {
    private let folder: TemporaryDirectory

    private static let model: MaskedAutoencoderConfiguration = {
        var c = MaskedAutoencoderConfiguration()
        (c.imageHeight, c.imageWidth, c.patchSize, c.channels) = (16, 16, 4, 2)
        (c.embedDim, c.depth, c.heads) = (32, 2, 4)
        (c.decoderEmbedDim, c.decoderDepth, c.decoderHeads) = (16, 1, 2)
        return c
    }()

    /// - Parameter masks: of each image; `batch(ofMask:)` has each of them alone.
    init(images: Int, masks: Int = 1) throws {
        folder = try TemporaryDirectory()
        let network = MaskedAutoencoder(Self.model, .float32, plan: MemoryPlan())
        network.initialize(seed: 7)
        try SafetensorsWriter.write(network.namedTensors(network.parameters.values), to: folder.file("weights"))
        let pixels = Matrix(rows: images, columns: Self.model.imageValues)
        let patches = Self.model.patches
        let noise = Matrix(rows: images, columns: masks * patches)
        for image in 0..<images {
            var random = SampleRandom(seed: 11, epoch: 0, sample: image, purpose: .syntheticImage)
            for column in 0..<pixels.columns { pixels[image, column] = Float(random.uniform(-2, 2)) }
            for column in 0..<noise.columns { noise[image, column] = random.uniform() }
        }
        func write(_ name: String, _ shape: [Int], _ noise: Matrix) throws {
            try SafetensorsWriter.write(
                [
                    NamedTensor("images", shape: [images, 2, 16, 16], pixels),
                    NamedTensor("noise", shape: [images] + shape, noise),
                ], to: folder.file(name))
        }
        try write("batch", masks > 1 ? [masks, patches] : [patches], noise)
        for mask in 0..<masks {
            let own = Matrix(rows: images, columns: patches)
            own.copy(from: noise.columns(mask * patches..<(mask + 1) * patches))
            try write(Self.batch(ofMask: mask), [patches], own)
        }
    }

    /// The file in which all images have this mask alone.
    static func batch(ofMask mask: Int) -> String { "mask \(mask)" }

    static func loss(_ kind: Regularizer) -> LossConfiguration {
        var loss = LossConfiguration()
        (loss.regularizer.kind, loss.lamb) = (kind, 0.5)
        return loss
    }

    /// All tensors that are dumped, by name.
    ///
    /// - Parameter rate: of an update, which is dumped too; nil for none.
    func dump(
        _ loss: LossConfiguration, batch: String = "batch", ranks: Int = 1, micros: Int = 1, rate: Double? = nil,
        _ change: (inout GradientSumConfiguration) -> Void = { _ in }
    ) throws -> [String: [Float]] {
        var configuration = StepConfiguration()
        (configuration.model, configuration.loss, configuration.accumulation) = (Self.model, loss, micros)
        configuration.optimizer = AdamW.Configuration(weightDecay: 0.3)
        change(&configuration.gradientExchange)
        let (weights, batch, out) = (folder.file("weights"), folder.file(batch), folder.file("dump"))
        _ = try InProcessWorld.run(ranks: ranks) { [configuration] communicator in
            _ = try DebugDump(
                configuration, weightsPath: weights, batchPath: batch, dumpPath: out, learningRate: rate
            ).run(on: RankResources(communicator, Team(threads: 1)))
        }
        let file = try SafetensorsFile(path: out)
        return Dictionary(uniqueKeysWithValues: try file.names.map { ($0, try file.floats($0)) })
    }
}
