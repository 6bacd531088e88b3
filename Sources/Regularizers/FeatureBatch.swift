internal import Tensors

/// The images whose features one regulariser compares, and which of them are this rank's.
package struct FeatureBatch: Sendable {
    /// Images of each rank, in all micro-batches that the regulariser spans.
    package let rankCounts: [Int]
    /// n
    package let images: Int
    /// N
    package let globalImages: Int
    /// Of this rank in its largest micro-batch.
    package let microImages: Int
    /// D
    package let width: Int
    /// Where this rank's features stand among all.
    let firstRow: Int

    package init(rankCounts: [Int], rank: Int, microImages: Int, width: Int) {
        self.rankCounts = rankCounts
        images = rankCounts[rank]
        globalImages = rankCounts.reduce(0, +)
        self.microImages = microImages
        self.width = width
        firstRow = rankCounts[..<rank].reduce(0, +)
    }

    /// A loss that every rank computes whole is shared among so many.
    var ranks: Int { rankCounts.count }

    /// Pairs of images, of which an image with itself is one or not.
    func pairs(withItself: Bool) -> Double {
        let count = Double(globalImages)
        return withItself ? count * count : max(count * (count - 1), 1)
    }

    /// Scratch memory of one thread for the products of any regulariser.
    package var scratchBytes: Int {
        func bytes(_ m: Int, _ n: Int, _ k: Int, _ transposeA: Bool = false) -> Int {
            ScratchMemory.bytes(forProduct: .float32, m: m, n: n, k: k, transposeA: transposeA)
        }
        return [
            bytes(images, globalImages, width), bytes(images, width, globalImages), bytes(images, width, width),
            bytes(width, width, globalImages, true), bytes(width, width, width),
        ].reduce(0, max)
    }
}
