package import Communication
package import Tensors

/// How gradients of all ranks are added up.
package struct GradientSumConfiguration: Codable, Equatable, Sendable {
    package enum Algorithm: String, Codable, CaseIterable, Sendable {
        /// MPI_Iallreduce: Open MPI chooses how, and in which order terms are added.
        case allReduce = "allreduce"
        /// Every rank is sent its part of a bucket by all others (MPI_Ialltoallv), adds them up in a fixed tree, and
        /// hands the sum to all (MPI_Iallgatherv). As many bytes as the best all-reduce; with R ranks R messages.
        case direct
        /// `direct` up to `mostDirectRanks` that lie on one host, or one on each; `allReduce` elsewhere.
        case auto
    }

    /// Below 4 ranks MPI_Iallreduce sends every bucket whole, to one rank and back; further on it takes twice log₂ R rounds,
    /// one after another, where `direct` takes two. Its many small messages, all at once, speak against `direct` on many
    /// ranks.
    ///
    /// With k ranks on each of several hosts, `direct` sends k times as many bytes over a host's link as MPI_Iallreduce, which
    /// first adds up within hosts.
    package static var mostDirectRanks: Int { 16 }

    package var algorithm = Algorithm.auto
    /// Bytes of fp32 gradients in a bucket, about.
    package var bucketBytes = 8 << 20
    /// What travels. Sums are fp32 either way; with bfloat16 each term, and then the sum, is rounded to 8 bits once.
    package var wire = ElementType.float32
    /// Whether each rank keeps the optimizer's moments of its own parts alone, and updates these.
    package var shardsOptimizer = false
    /// Terms of the tree in which gradients are added, each of a fixed part of the batch, so that bits do not depend on
    /// the number of ranks; 0 if they may.
    package var fixedShards = 0

    package init() {}

    /// How `count` gradients are divided among `ranks`.
    package func layout(count: Int, ranks: Int) -> BucketLayout {
        BucketLayout(
            count: count, ranks: ranks, bucketElements: max(1, bucketBytes / MemoryLayout<Float>.stride))
    }

    /// The parameters that `rank` updates; nil for all.
    package func owned(count: Int, rank: Int, ranks: Int) -> [Range<Int>]? {
        shardsOptimizer && ranks > 1 ? layout(count: count, ranks: ranks).parts(of: rank) : nil
    }

    /// Never `auto`. `allReduce` can neither round nor keep a part or an order.
    package func resolvedAlgorithm(on layout: HostLayout) -> Algorithm {
        guard flagsForDirect.isEmpty else { return .direct }
        guard algorithm == .auto else { return algorithm }
        return layout.ranks <= Self.mostDirectRanks && !layout.sharesLinks ? .direct : .allReduce
    }

    /// The flags in use that `allReduce` cannot serve.
    private var flagsForDirect: [String] {
        [
            wire == .float32 ? nil : "--gradient-wire bf16", shardsOptimizer ? "--shard-optimizer" : nil,
            fixedShards == 0 ? nil : "--deterministic",
        ].compactMap { $0 }
    }

    /// What flags cost that have ranks sum directly, where hosts have several ranks each; nil where they cost nothing.
    package func noteOnLinks(_ layout: HostLayout) -> String? {
        guard layout.sharesLinks, !flagsForDirect.isEmpty else { return nil }
        let flags = flagsForDirect.joined(separator: " and ")
        return "\(flags): all ranks send to all others, and the link of a host carries the gradients of its "
            + "\(layout.ranksPerHost) ranks, \(layout.ranksPerHost) times what MPI_Iallreduce would send; one rank per "
            + "host with more threads avoids that"
    }
}
