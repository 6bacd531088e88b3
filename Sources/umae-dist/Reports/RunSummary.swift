import Checkpoints
import Communication
import DataParallel
import Foundation
import Host
import ImageCodecs
import ImageData
import ImageSources
import Layers
import Models
import Optimization
import Pretraining
import Regularizers
import Tensors
import TrainingRuns

/// What a run says of itself at its beginning and its end.
struct RunSummary {
    let run: PretrainRun
    let data: any ImageSource
    let threads: Int
    let ranks: Int
    let hosts: HostLayout
    let resume: Checkpoint?
    /// Where mean and deviation of the pixels come from.
    let origins: [String]

    /// A line for each thing, which begins with a word for it.
    ///
    /// - Parameter directory: nil where nothing is kept.
    func opening(_ directory: String?) -> [String] {
        let c = run.configuration
        let model = c.model
        let millions = Double(run.model.parameters.values.count) / 1e6
        var lines = [
            "data     \(data.name), \(counted(data.count, "image")) of \(size), "
                + (data.classCount.map { "\($0) classes" } ?? "no labels")
                + " (\(data.form))",
            "pixels   " + pixels,
            String(
                format: "model    %d blocks of width %d, decoder %d of %d, %.2f M parameters, %.3f GFLOP per image",
                model.depth, model.embedDim, model.decoderDepth, model.decoderEmbedDim, millions,
                c.step.flopsPerImage / 1e9),
            "batch    \(counted(c.effectiveBatchSize, "image")) = \(counted(ranks, "rank")) × "
                + "\(counted(c.effectiveBatchSize / ranks / c.accumulation, "image"))"
                + (c.accumulation > 1 ? " × \(c.accumulation) micro-batches" : "") + "; "
                + "\(counted(threads, "thread")) per rank, "
                + "\(c.precision.rawValue) products, \(VectorKernels.instructionSet) kernels",
            String(
                format: "training %@ of %@, lr %.2e, warm-up of %g epochs, weight decay %g, seed %@",
                counted(c.epochs, "epoch"), counted(run.stepsPerEpoch, "step"), c.learningRate, c.warmupEpochs,
                c.optimizer.weightDecay, "\(c.seed)"),
            String(format: "losses   mask ratio %g, %@", model.maskRatio, masks + regularizer),
        ]
        if ranks > 1 { lines.append("messages \(messages)") }
        if let note = c.gradientExchange.noteOnLinks(hosts) { lines.append("note: \(note)") }
        lines.append("run      \(directory ?? "not kept: --output-dir is empty")")
        if let resume { lines.append("resume   \(resume.path)") }
        return lines
    }

    private var masks: String {
        let count = run.configuration.loss.masksPerImage
        return count > 1 ? "\(count) masks per image, " : ""
    }

    private var regularizer: String {
        let loss = run.configuration.loss
        return loss.regularizer.kind == .none
            ? "no regulariser" : String(format: "λ %g (%@)", loss.lamb, loss.regularizer.kind.rawValue)
    }

    /// How gradients and features of all ranks come together.
    private var messages: String {
        let c = run.configuration
        let exchange = c.gradientExchange
        var text = String(format: "gradients in buckets of %g MiB", Double(exchange.bucketBytes) / 1_048_576)
        text +=
            exchange.resolvedAlgorithm(on: hosts) == .allReduce
            ? " by MPI_Iallreduce" : " summed by the ranks themselves"
        if exchange.wire == .bfloat16 { text += ", rounded to bf16" }
        if exchange.shardsOptimizer { text += "; AdamW on the own share of the weights" }
        if exchange.fixedShards > 0 { text += "; the same bits at any number of ranks" }
        guard c.loss.weight != 0 else { return text }
        let spanned = c.effectiveBatchSize / (c.loss.spansMicroBatches(c.accumulation) ? 1 : c.accumulation)
        let width = c.model.embedDim
        switch c.loss.regularizer.resolvedTransport(images: spanned, width: width) {
        case .gram: text += "; features as Gram matrices, \(width) × \(width)"
        default: text += "; features gathered, \(spanned * c.loss.masksPerImage) × \(width)"
        }
        return text
    }

    /// What came of it, line by line.
    func closing(_ directory: String?) -> [String] {
        guard let first = run.epochs.first, let last = run.epochs.last else { return ["nothing was trained"] }
        // One value where there was one epoch, otherwise from the first to the last.
        func change(_ format: String, _ value: (LogLine) -> Double) -> String {
            let start = String(format: format, value(first))
            return first.epoch == last.epoch ? start : start + " → " + String(format: format, value(last))
        }
        var lines = [
            "",
            first.epoch == last.epoch
                ? "what was learnt in epoch \(last.epoch)" : "what was learnt, epoch \(first.epoch) → \(last.epoch)",
            "  loss              " + change("%.4f", \.trainLoss),
            "  reconstruction    " + change("%.4f", \.trainLossMAE),
            "  regulariser       " + change("%.4f", \.trainLossReg),
            "  effective rank    " + change("%.1f", \.effectiveRank)
                + " of \(run.configuration.model.embedDim) dimensions that the features spread over",
        ]
        if last.alignment != nil {
            lines.append(
                "  alignment         " + change("%.2f") { $0.alignment ?? 0 }
                    + ", mean cosine between the features of two views of an image")
        }
        if let linear = last.testLinear, let neighbors = last.testKNN, let rank = last.testRankMe {
            lines.append(
                String(
                    format: "  test accuracy     linear %.1f%%, k-NN %.1f%%, of whole test images by frozen features",
                    100 * linear, 100 * neighbors))
            lines.append(
                String(format: "  test RankMe       %.1f of \(run.configuration.model.embedDim) dimensions", rank))
        }
        if let advice = run.adviceOnData { lines.append("  data              " + advice) }
        if let classes = data.classCount {
            lines.append(
                "  online accuracy   " + change("%.1f%%") { 100 * ($0.trainAcc ?? 0) }
                    + ", linear, on masked and augmented training images; chance is "
                    + String(format: "%.1f%%", 100 / Double(classes)))
        }
        if let directory { lines.append("run directory: \(directory)") }
        return lines
    }

    private var size: String {
        guard let size = data.uniformSize else { return "any size, \(counted(data.channels, "channel"))" }
        return "\(size.height)×\(size.width)×\(data.channels)"
    }

    /// What images are normalised with.
    private var pixels: String {
        let named = [("mean", run.configuration.mean), ("deviation", run.configuration.standardDeviation)]
        return zip(named, origins).map { named, origin in
            let numbers = (named.1 ?? []).map { String(format: "%.4g", Double($0)) }.joined(separator: ", ")
            return "\(named.0) \(numbers) (\(origin))"
        }.joined(separator: ", ")
    }
}
