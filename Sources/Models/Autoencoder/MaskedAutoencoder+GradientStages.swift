import Layers
import Tensors

extension MaskedAutoencoder {
    /// A part of `parameters.gradients` that `backward` finishes at once.
    package struct GradientStage: Equatable, Sendable {
        package let elements: Int
        /// Share of backward's multiply-adds that is done between the part before and this one.
        package let share: Double
    }

    /// The parts of the gradient as backward finishes them, last layer first; the online classifier's, if there is one,
    /// is the first of all. Shares are those of the published model's FLOPs.
    package var gradientStages: [GradientStage] {
        let c = configuration
        let flops = c.forwardFlops
        let encoderAfterAttention = c.encoder.blockShape.flopsAfterAttention(tokens: 1 + c.keptPatches)
        let decoderAfterAttention = c.decoderShape.flopsAfterAttention(tokens: 1 + c.encoder.patches)
        let starts = stageStarts
        var stages: [GradientStage] = []
        var unfinished = parameters.gradients.columns
        var done = 0.0
        func finish(from start: Int, after work: Double) {
            done += work
            guard start < unfinished else { return }
            stages.append(GradientStage(elements: unfinished - start, share: done / flops.total(c)))
            (unfinished, done) = (start, 0)
        }
        finish(from: starts.end, after: 0)
        for index in decoderBlocks.indices.reversed() {
            let prediction = index == decoderBlocks.count - 1 ? flops.decoderPred : 0
            finish(from: starts.decoderBlocks[index].afterAttention, after: prediction + decoderAfterAttention)
            finish(from: starts.decoderBlocks[index].all, after: flops.decoderBlock - decoderAfterAttention)
        }
        finish(from: starts.decoderEmbed, after: flops.decoderEmbed)
        for index in blocks.indices.reversed() {
            finish(from: starts.blocks[index].afterAttention, after: encoderAfterAttention)
            finish(from: starts.blocks[index].all, after: flops.encoderBlock - encoderAfterAttention)
        }
        finish(from: 0, after: flops.patchEmbed)
        return stages
    }
}
