internal import ImageSources
internal import Tensors

/// Prepares any part of any micro-batch, of which it is told where it stands and which images it has; what it keeps from one to
/// the next is memory alone. One thread at a time.
final class BatchProducer {
    private let source: any ImageSource
    private let transform: ImageTransform
    private let badImages: BadImages
    private let seed: UInt64
    private let workspace = AugmentationWorkspace()
    /// Images of the batch that is begun.
    private var coming: [Int] = []

    init(source: any ImageSource, transform: ImageTransform, badImages: BadImages, seed: UInt64) {
        precondition(transform.channels == source.channels)
        self.source = source
        self.transform = transform
        self.badImages = badImages
        self.seed = seed
    }

    /// Remembers the images of a batch that is begun, before anybody puts others in the place of bad ones.
    func note(_ batch: Batch) {
        coming.removeAll(keepingCapacity: true)
        for row in 0..<batch.count { coming.append(batch.samples[row, 0]) }
    }

    /// Tells the source that they are about to be read, by whoever.
    func announce() { source.willRead(&coming) }

    /// Prepares some images of it.
    func fill(_ batch: Batch, rows: Range<Int>) throws(ImageDataError) {
        for row in rows { try fill(batch, row: row) }
    }

    /// - Throws: if neither the image of that row nor another in its place can be decoded.
    private func fill(_ batch: Batch, row: Int) throws(ImageDataError) {
        let index = batch.samples[row, 0]
        var sample = index
        var random = SampleRandom(seed: seed, epoch: batch.epoch, sample: index, purpose: .replacement)
        var left = BadImages.attempts
        while true {
            do throws(ImageDataError) {
                try transform.prepare(
                    source, index: sample, seed: seed, epoch: batch.epoch, workspace: workspace,
                    into: batch.images.rows(row..<row + 1))
                break
            } catch {
                try badImages.note(sample, error)
                left -= 1
                if left == 0 { throw error }
                sample = random.integer(below: source.count)
            }
        }
        if let labels = batch.labels { labels[row, 0] = Int32(source.label(at: sample)) }
        batch.samples[row, 0] = sample
    }
}
