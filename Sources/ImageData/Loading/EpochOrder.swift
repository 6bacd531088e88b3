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
