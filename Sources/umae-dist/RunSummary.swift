import Checkpoints
import Foundation
import ImageData
import Layers
import Models
import Tensors
import Training

/// What a run says of itself at its beginning and its end.
struct RunSummary {
    let run: Pretraining
    let data: any ImageSource
    let threads: Int
    let ranks: Int
    let output: RunDirectory?
    let resume: Checkpoint?

    var opening: String {
        let c = run.configuration
        let model = c.model
        let millions = Double(run.model.parameters.values.count) / 1e6
        var lines = [
            "data     \(data.name), \(data.count) images of \(size), \(data.classCount) classes",
            String(
                format: "model    %d blocks of width %d, decoder %d of %d, %.2f M parameters, %.3f GFLOP per image",
                model.depth, model.embedDim, model.decoderDepth, model.decoderEmbedDim, millions,
                model.flopsPerImage / 1e9),
            "batch    \(c.effectiveBatchSize) images = \(ranks) rank\(ranks == 1 ? "" : "s") × "
                + "\(c.effectiveBatchSize / ranks / c.accumulation) images"
                + (c.accumulation > 1 ? " × \(c.accumulation) micro-batches" : "") + "; "
                + "\(threads) thread\(threads == 1 ? "" : "s") per rank, OpenBLAS \(BLASKernels.name) kernels",
            String(
                format: "training %d epochs of %d steps, lr %.2e, mask ratio %g, λ %g (%@)", c.epochs,
                run.stepsPerEpoch, c.learningRate, model.maskRatio, c.loss.lamb, c.loss.regularizer.rawValue),
        ]
        if let output { lines.append("run      \(output.path)") }
        if let resume { lines.append("resume   \(resume.path)") }
        return lines.joined(separator: "\n")
    }

    func closing(epochs: [LogLine]) -> String {
        guard let first = epochs.first, let last = epochs.last else { return "nothing was trained" }
        let chance = 100 / Double(data.classCount)
        var lines = [
            "",
            "what was learnt",
            String(
                format: "  loss              %.4f in epoch %d → %.4f in epoch %d", first.trainLoss, first.epoch,
                last.trainLoss, last.epoch),
            String(format: "  reconstruction    %.4f → %.4f", first.trainLossMAE, last.trainLossMAE),
            String(format: "  uniformity        %.4f → %.4f", first.trainLossReg, last.trainLossReg),
            String(
                format: "  online accuracy   %.1f%% → %.1f%%, linear, on masked and augmented training images; "
                    + "chance is %.1f%%", 100 * first.trainAcc, 100 * last.trainAcc, chance),
            String(
                format: "  effective rank    %.1f → %.1f of %d dimensions that the features spread over",
                first.effectiveRank, last.effectiveRank, run.configuration.model.embedDim),
        ]
        if let output { lines.append("run directory: \(output.path)") }
        return lines.joined(separator: "\n")
    }

    private var size: String { "\(data.largestSize.height)×\(data.largestSize.width)×\(data.channels)" }
}
