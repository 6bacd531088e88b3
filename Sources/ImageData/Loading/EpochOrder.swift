import Tensors

/// The order in which one epoch visits the images: a permutation that depends on the seed and the epoch alone.
package struct EpochOrder: Sendable {
    package let count: Int
    package let seed: UInt64
    /// The epoch whose order this is.
    package private(set) var epoch: Int
    private var order: [UInt32]

    /// - Parameter count: images, below 2^32.
    package init(count: Int, seed: UInt64, epoch: Int = 0) {
        precondition(count >= 0 && count <= Int(UInt32.max) && epoch >= 0)
        self.count = count
        self.seed = seed
        self.epoch = epoch
        order = [UInt32](repeating: 0, count: count)
        fill()
    }

    /// The image at `position` of the epoch.
    package subscript(position: Int) -> Int { Int(order[position]) }

    /// Takes the order of another epoch, in the same memory.
    package mutating func move(to epoch: Int) {
        guard epoch != self.epoch else { return }
        precondition(epoch >= 0)
        self.epoch = epoch
        fill()
    }

    /// R. Durstenfeld, "Algorithm 235: Random permutation" (1964), the shuffle of Fisher and Yates in place.
    private mutating func fill() {
        for index in order.indices { order[index] = UInt32(index) }
        var random = SampleRandom(seed: seed, epoch: epoch, sample: 0, purpose: .shuffle)
        for last in stride(from: count - 1, to: 0, by: -1) {
            order.swapAt(last, random.integer(below: last + 1))
        }
    }
}

/// How an epoch is divided: into global batches, these among ranks, and a rank's share into micro-batches.
///
/// Global batch s is positions s·G ..< (s+1)·G of the epoch's order, whatever the number of ranks; rank r of R has the
/// r-th of R equal parts, and micro-batch m of A the m-th of A equal parts of that. The images left at the end of an
/// epoch, fewer than G, wait for another epoch's order.
package struct BatchDivision: Hashable, Sendable {
    package let imageCount: Int
    package let globalBatch: Int
    package let rank: Int
    package let worldSize: Int
    package let accumulation: Int

    /// - Throws: if the global batch is larger than the data set, or is not a multiple of ranks × micro-batches.
    package init(
        imageCount: Int, globalBatch: Int, rank: Int = 0, worldSize: Int = 1, accumulation: Int = 1
    ) throws(ImageDataError) {
        precondition(worldSize > 0 && rank >= 0 && rank < worldSize && accumulation > 0)
        guard globalBatch > 0 && globalBatch.isMultiple(of: worldSize * accumulation) else {
            throw .indivisibleGlobalBatch(
                globalBatch: globalBatch, worldSize: worldSize, accumulation: accumulation)
        }
        guard globalBatch <= imageCount else {
            throw .globalBatchTooLarge(globalBatch: globalBatch, imageCount: imageCount)
        }
        self.imageCount = imageCount
        self.globalBatch = globalBatch
        self.rank = rank
        self.worldSize = worldSize
        self.accumulation = accumulation
    }

    package var stepsPerEpoch: Int { imageCount / globalBatch }
    /// Images of one micro-batch on one rank.
    package var microBatch: Int { globalBatch / (worldSize * accumulation) }

    /// The positions in the epoch's order of one micro-batch of this rank.
    package func positions(step: Int, micro: Int = 0) -> Range<Int> {
        precondition(step >= 0 && step < stepsPerEpoch && micro >= 0 && micro < accumulation)
        let start = step * globalBatch + (rank * accumulation + micro) * microBatch
        return start..<start + microBatch
    }
}
