package import Augmentation
package import ImageCodecs
package import Tensors

/// Mixes the images of micro-batches: of n images, the i-th with the one that is i-th from the end, as timm's `Mixup` does.
///
/// The partner is in the same micro-batch of the same rank, as the public code mixes the images of one device. So who is
/// mixed with whom depends on how a global batch is divided. What is drawn for an image does not: draws belong to the
/// sample, or to the first one of its pair or micro-batch, in its epoch. In the middle of an odd number of images, which
/// timm refuses, there is one that stays as it is.
package final class ImageMixing: Sendable {
    private let mixing: Mixing
    private let size: ImageSize
    private let seed: UInt64

    /// - Parameters:
    ///   - mixing: has been checked against the size.
    ///   - size: of the images.
    package init(_ mixing: Mixing, size: ImageSize, seed: UInt64) {
        self.mixing = mixing
        self.size = size
        self.seed = seed
    }

    /// Mixes images in place. Every member of a team calls it, and it returns when all are done; it allocates nothing.
    ///
    /// - Parameters:
    ///   - batch: normalised, with the numbers of its samples.
    ///   - labels: [N, 1].
    ///   - partners: [N, 1]; becomes the label of each image's partner.
    ///   - weights: [N, 1]; becomes the share of each image's own label. What is left to 1 is its partner's.
    package func mix(
        _ batch: Batch, labels: IndexMatrix, partners: IndexMatrix, weights: Matrix, by member: TeamMember
    ) {
        let count = batch.count
        precondition(batch.samples.rows == count && labels.rows == count)
        precondition(partners.rows == count && weights.rows == count)
        member.forEachChunk(of: (count + 1) / 2) { images in
            for image in images {
                let partner = count - 1 - image
                partners[image, 0] = labels[partner, 0]
                partners[partner, 0] = labels[image, 0]
                let (own, other) = image == partner ? (.none, .none) : mixtures(batch, image, partner)
                weights[image, 0] = Float(own.share(in: size))
                weights[partner, 0] = Float(other.share(in: size))
                Mixture.exchange(
                    batch.images.rows(image..<image + 1), own, batch.images.rows(partner..<partner + 1), other, size)
            }
        }
    }

    /// What two images get of each other.
    private func mixtures(_ batch: Batch, _ image: Int, _ partner: Int) -> (Mixture, Mixture) {
        let own = mixture(batch, of: mixing.mode == .batch ? 0 : image)
        return (own, mixing.mode == .elem ? mixture(batch, of: partner) : own)
    }

    private func mixture(_ batch: Batch, of row: Int) -> Mixture {
        mixing.mixture(
            ImageAugmentation.Draw(seed: seed, epoch: batch.epoch, sample: batch.samples[row, 0]), in: size)
    }
}
