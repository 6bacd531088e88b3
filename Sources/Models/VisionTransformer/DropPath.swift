internal import Layers
package import Tensors

/// Stochastic depth (Huang et al. 2016) as timm has it: each of the two branches of a block is left out for some images of a
/// batch and, for the others, divided by the share of those that keep it. The share left out rises from none in the first
/// block to `rate` in the last, by equal steps.
///
/// What is left out is computed all the same: at the usual rate of 0.1 that is a twentieth of the branches, and leaving it
/// out would take the images together that have it, two passes over the stream for each branch.
package struct DropPath: Sendable {
    /// [2·depth, N·T]: the factors of each block's attention, then of its MLP, an image's once for each of its tokens;
    /// those of the last block fill only the columns of the tokens that are wanted.
    package let factors: Matrix
    private let rate: Double
    private let images: Int
    private let tokens: Int
    private let lastTokens: Int

    /// - Parameter lastTokens: tokens of each image whose result is wanted of the last block.
    init(rate: Double, images: Int, tokens: Int, lastTokens: Int, depth: Int, plan: MemoryPlan) {
        precondition(rate > 0 && rate < 1)
        self.rate = rate
        self.images = images
        self.tokens = tokens
        self.lastTokens = lastTokens
        factors = plan.matrix(.activations, "factors of branches", rows: 2 * depth, columns: images * tokens)
    }

    private var depth: Int { factors.rows / 2 }

    /// Of a block's branches, the share of images that goes without.
    private func rate(of block: Int) -> Double { depth > 1 ? rate * Double(block) / Double(depth - 1) : 0 }

    /// Nil for a block that leaves nothing out.
    func branchFactors(of block: Int) -> TransformerBlock.BranchFactors? {
        guard rate(of: block) > 0 else { return nil }
        let own = factors.rows(2 * block..<2 * block + 2).columns(0..<images * tokens(of: block))
        return TransformerBlock.BranchFactors(attention: own.rows(0..<1), mlp: own.rows(1..<2))
    }

    private func tokens(of block: Int) -> Int { block == depth - 1 ? lastTokens : tokens }

    /// Draws for some images of a batch, from nothing but the seed, the epoch, each image's number in its data set, the block
    /// and the branch.
    ///
    /// - Parameter samples: [N, 1]
    package func draw(seed: UInt64, epoch: Int, samples: MatrixView<Int>, images: Range<Int>) {
        for image in images {
            var random = SampleRandom(seed: seed, epoch: epoch, sample: samples[image, 0], purpose: .dropPath)
            for branch in 0..<factors.rows {
                let kept = 1 - rate(of: branch / 2)
                let factor: Float = Double(random.uniform()) < kept ? Float(1 / kept) : 0
                set(factor, branch: branch, image: image)
            }
        }
    }

    /// - Parameter branch: a block's attention, then its MLP, then the next one's.
    package func set(_ factor: Float, branch: Int, image: Int) {
        let tokens = tokens(of: branch / 2)
        factors.rows(branch..<branch + 1).columns(image * tokens..<(image + 1) * tokens).fill(factor)
    }
}
