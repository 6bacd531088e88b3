internal import Checkpoints
internal import Classification
internal import Evaluation
internal import Features
internal import FineTuning
internal import Foundation
internal import Host
internal import ImageSources
internal import Layers
internal import Models
internal import Optimization
internal import Runs
internal import Tensors
internal import TrainingRuns

/// What a run that fine-tunes says of itself at its beginning and its end.
struct FineTuneSummary {
    let run: FineTuneRun
    let images: LabelledImages
    let start: PretrainedModel?
    let resume: Checkpoint?
    let threads: Int
    let ranks: Int

    /// A line for each thing, which begins with a word for it.
    ///
    /// - Parameter directory: nil where nothing is kept.
    func opening(_ directory: String?) -> [String] {
        let c = run.configuration
        let (model, update) = (c.model, c.update)
        var lines = [
            images.line,
            String(
                format:
                    "model    %d blocks of width %d on images of %d × %d, head on %@, %.2f M parameters, %.3f GFLOP per image",
                model.depth, model.embedDim, model.imageHeight, model.imageWidth,
                model.pooling == .mean ? "the mean of the patches" : "the class token",
                Double(run.task.model.parameters.values.count) / 1e6, model.flopsPerImage / 1e9),
            "batch    \(counted(update.effectiveBatchSize, "image")) = \(counted(ranks, "rank")) × "
                + "\(counted(update.effectiveBatchSize / ranks / update.accumulation, "image"))"
                + (update.accumulation > 1 ? " × \(update.accumulation) micro-batches" : "") + "; "
                + "\(counted(threads, "thread")) per rank, "
                + "\(update.precision.rawValue) products, \(VectorKernels.instructionSet) kernels",
            String(
                format: "training %@ of %@, lr %.2e, warm-up of %g epochs, layer decay %g, weight decay %g, seed %@",
                counted(c.schedule.epochs, "epoch"), counted(run.stepsPerEpoch, "step"), c.schedule.learningRate,
                c.schedule.warmupEpochs, c.classification.layerDecay, update.optimizer.weightDecay, "\(update.seed)"),
            "run      \(directory ?? "not kept: --output-dir is empty")",
        ]
        if let start { lines.append("encoder  \(start.checkpoint.path)") }
        if let resume { lines.append("resume   \(resume.path)") }
        return lines
    }

    /// What came of it, line by line.
    func closing(_ directory: String?) -> [String] {
        guard let last = run.epochs.last else { return ["nothing was trained"] }
        var lines = [
            "",
            "what was learnt by epoch \(last.epoch)",
            String(format: "  training loss     %.4f", last.trainLoss),
            String(
                format: "  test accuracy     top-1 %.2f%%, top-5 %.2f%% of %@", last.testAcc1, last.testAcc5,
                counted(images.test.count, "image")),
        ]
        if let top1 = last.testAcc1EMA, let top5 = last.testAcc5EMA {
            lines.append(String(format: "  of the average    top-1 %.2f%%, top-5 %.2f%%", top1, top5))
        }
        if let best = run.best {
            lines.append(String(format: "  best              top-1 %.2f%% after epoch %d", best.merit, best.epoch))
        }
        if let advice = run.adviceOnData { lines.append("  data              " + advice) }
        if let directory { lines.append("run directory: \(directory)") }
        return lines
    }
}

extension ClassifierEvaluation.Result {
    /// - Parameter word: what the line begins with.
    func line(_ word: String) -> String {
        String(
            format: "%@top-1 %.2f%%, top-5 %.2f%%, loss %.4f", word, 100 * accuracy.top1, 100 * accuracy.top5,
            crossEntropy)
    }
}
