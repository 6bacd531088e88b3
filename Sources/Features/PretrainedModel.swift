package import Checkpoints
package import ImageCodecs
package import ImageData
internal import Layers
package import Models
internal import Runs
package import Tensors

/// What evaluation needs to know of a pretraining run: the model, and what its images were normalised with.
package struct PretrainedModel: Sendable {
    package let checkpoint: Checkpoint
    package let model: MaskedAutoencoderConfiguration
    /// By channel; nil in a checkpoint of before they were kept.
    package let statistics: ChannelStatistics?
    /// Of the images that it was trained on.
    package let dataPath: String
    /// How they were decoded, as far as that turns them.
    package let decoding: Decoding

    /// The part of a run's state that is of interest here; the rest is passed over.
    private struct State: Codable {
        struct Configuration: Codable {
            var model = MaskedAutoencoderConfiguration()
            var dataPath = ""
            var exif = Decoding.Exif.ignore
            var mean: [Float]?
            var standardDeviation: [Float]?
        }

        var configuration = Configuration()
    }

    /// An encoder with the checkpoint's weights, which are not yet packed.
    ///
    /// - Throws: `SafetensorsError` naming the first tensor that is missing or has another shape.
    package func encoder(_ element: ElementType, plan: MemoryPlan) throws -> VisionTransformer {
        let c = model.encoder
        let parameters = ParameterSet(VisionTransformer.specifications(c), plan: plan)
        let encoder = VisionTransformer(c, parameters, element, plan: plan)
        encoder.computePositions()
        try parameters.loadWeights(from: checkpoint.weights())
        return encoder
    }

    /// - Throws: if the state of the checkpoint cannot be read, or is of another kind of run.
    package init(_ checkpoint: Checkpoint) throws {
        if let kind = try checkpoint.kindOfRun() {
            throw RunDirectoryError(
                description: "\(checkpoint.path) is of a run of \(kind): give a checkpoint of pretraining")
        }
        let state = try checkpoint.state(completedFrom: State(), requiring: ["configuration"])
        self.checkpoint = checkpoint
        model = state.configuration.model
        dataPath = state.configuration.dataPath
        var decoding = Decoding()
        decoding.exif = state.configuration.exif
        self.decoding = decoding
        statistics =
            if let mean = state.configuration.mean, let deviation = state.configuration.standardDeviation {
                ChannelStatistics(mean: mean, standardDeviation: deviation)
            } else { nil }
    }
}
