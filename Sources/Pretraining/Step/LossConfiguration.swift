package import ImageData
internal import Models
package import Regularizers

/// The losses of a run, as the flags give them.
package struct LossConfiguration: Codable, Equatable, Sendable {
    package var regularizer = RegularizerConfiguration()
    /// λ: total = reconstruction + λ · regulariser.
    package var lamb = 0.01
    package var uniformityGradient = UniformityGradient.exact
    package var negatives = Negatives.effective
    /// Views of each image, each with a mask of its own; M.
    package var masksPerImage = 1

    /// Far more than anything is gained by.
    package static let masksPerImage = 1...64

    package init() {}

    /// λ, or 0 without a regulariser.
    package var weight: Double { regularizer.kind == .none ? 0 : lamb }

    /// Whether one regulariser spans the `accumulation` micro-batches of an update, not each its own.
    package func spansMicroBatches(_ accumulation: Int) -> Bool { accumulation == 1 || negatives == .effective }

    /// Whether every micro-batch of an update is encoded before the first is encoded again and differentiated: where the
    /// gradient of each depends on the features of all.
    package func encodesTwice(_ accumulation: Int) -> Bool {
        accumulation > 1 && negatives == .effective && weight != 0
    }

    /// Throws `ModelError` naming what cannot be for `images` in the batch that the regulariser spans.
    package func validate(images: Int) throws {
        let (kind, t) = (regularizer.kind, regularizer.uniformityT)
        guard Self.masksPerImage.contains(masksPerImage) else {
            throw ModelError(
                "--masks-per-image is \(masksPerImage): it must be at least 1 and at most \(Self.masksPerImage.upperBound)"
            )
        }
        guard regularizer.tcrMu > 0 && regularizer.tcrMu.isFinite else {
            throw ModelError("--tcr-mu is \(regularizer.tcrMu): it must be above 0")
        }
        guard t > 0 && t.isFinite else { throw ModelError("--uniformity-t is \(t): it must be above 0") }
        guard regularizer.transport == .auto || kind.transports.contains(regularizer.transport) else {
            throw ModelError(
                "--reg \(kind.rawValue) needs the features of all pairs, not their Gram matrix: "
                    + "use --uniformity-exchange gather or auto")
        }
        guard images >= kind.fewestImages else {
            throw ModelError(
                "--reg \(kind.rawValue) compares different images, and a batch has \(images): "
                    + "it must have at least \(kind.fewestImages)")
        }
    }
}

extension LossConfiguration {
    /// Images that the regulariser spans, by rank: once for the whole update, or once for each micro-batch.
    package func spannedCounts(_ plan: BatchPlan) -> [[Int]] {
        spansMicroBatches(plan.accumulation) ? [plan.rankTotals] : (0..<plan.accumulation).map(plan.rankCounts)
    }

    /// Images of all ranks that the regulariser spans, at least.
    package func spannedImages(_ plan: BatchPlan) -> Int {
        spannedCounts(plan).map { $0.reduce(0, +) }.min() ?? 0
    }
}
