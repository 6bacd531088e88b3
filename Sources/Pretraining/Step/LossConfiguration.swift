internal import DataParallel
internal import Models
package import Regularizers

/// The losses of a run, as the flags give them.
package struct LossConfiguration: Codable, Equatable, Sendable {
    package var regularizer = RegularizerConfiguration()
    /// λ: total = reconstruction + λ · regulariser.
    package var lamb = 0.01
    package var uniformityGradient = UniformityGradient.exact
    package var negatives = Negatives.effective

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

/// Shares of a step's losses: sums over ranks and micro-batches are the losses themselves, the regulariser's once they
/// are divided as `GradientPass.divisors` says.
package struct LossShares: Sendable {
    package var reconstruction = 0.0
    package var regularizer = 0.0
    /// ‖ZᵀZ‖² / trace² of the class features, the reciprocal of the participation ratio.
    package var inverseEffectiveRank = 0.0
    package var crossEntropy = 0.0
    package var correct = 0

    /// In the tree in which gradients are added.
    package static func sum(_ shares: [LossShares]) -> LossShares {
        GradientTree.sum(shares) { first, second in
            var sum = first
            sum.add(second)
            return sum
        } ?? LossShares()
    }

    mutating func add(_ other: LossShares) {
        reconstruction += other.reconstruction
        regularizer += other.regularizer
        inverseEffectiveRank += other.inverseEffectiveRank
        crossEntropy += other.crossEntropy
        correct += other.correct
    }
}

/// How one update's images are divided: over ranks, and on each rank into micro-batches.
package struct MicroBatches: Sendable {
    /// Images by rank and micro-batch.
    package let counts: [[Int]]

    /// Equal parts.
    package init(images: Int, ranks: Int, accumulation: Int) {
        counts = [[Int]](repeating: [Int](repeating: images, count: accumulation), count: ranks)
    }

    /// As equal as can be: first over ranks, then each rank's over micro-batches.
    package init(dividing images: Int, ranks: Int, accumulation: Int) {
        counts = RowShares.counts(of: images, ranks: ranks).map { RowShares.counts(of: $0, ranks: accumulation) }
    }

    package var accumulation: Int { counts.first?.count ?? 0 }
    package var total: Int { counts.reduce(0) { $0 + $1.reduce(0, +) } }
    /// Images of each rank, in all its micro-batches.
    package var rankTotals: [Int] { counts.map { $0.reduce(0, +) } }
    /// Images of each rank in micro-batch `micro`.
    package func rankCounts(of micro: Int) -> [Int] { counts.map { $0[micro] } }

    /// The images of a micro-batch among those of its rank.
    package func rows(of micro: Int, rank: Int) -> Range<Int> {
        let first = counts[rank][..<micro].reduce(0, +)
        return first..<first + counts[rank][micro]
    }
}

extension PretrainConfiguration {
    /// How often a step sees its micro-batches: twice where the regulariser spans them all.
    package var turnsPerStep: Int { loss.encodesTwice(accumulation) ? 2 : 1 }
}
