internal import Augmentation
package import Communication
internal import Host
internal import ImageCodecs
package import ImageData
package import ImageSources
internal import Pretraining
internal import Tensors

/// Reads a data set as training does, without training: how fast that is, and what comes out of it.
package struct DataReading {
    package struct Result: Encodable {
        package let images: Int
        package let ranks: Int
        package let workers: Int
        package let seconds: Double
        package let imagesPerSecond: Double
        /// CRC-32 of the first global batch: its pixels as the model gets them, and its labels. It is the same at any number
        /// of ranks and workers, and for every form of the same data that has lost nothing.
        package let firstBatch: UInt32
        package let firstBatchImages: Int
    }

    private let source: any ImageSource
    private let transform: ImageTransform
    private let plan: BatchPlan
    private let workers: Int
    private let seed: UInt64
    private let badImages: BadImages

    /// - Parameters:
    ///   - plan: images of each rank.
    ///   - workers: threads of each rank; 0 prepares batches on the thread that asks for them.
    package init(
        _ source: any ImageSource, _ transform: ImageTransform, _ plan: BatchPlan, workers: Int, seed: UInt64,
        skipping badImages: BadImages
    ) {
        self.source = source
        self.transform = transform
        self.plan = plan
        self.workers = workers
        self.seed = seed
        self.badImages = badImages
    }

    /// Reads for about so many seconds after the first batch. Collective.
    package func run(seconds: Double, in world: any Communicator) throws -> Result {
        let loader = try world.agree {
            try BatchLoader(
                source: source, transform: transform,
                division: EpochDivision(imageCount: source.count, plan, rank: world.rank), seed: seed,
                badImages: badImages, workers: workers, plan: MemoryPlan())
        }
        defer { loader.stop() }
        let first = try world.agree(during: .readingData) { Self.checksums(of: try loader.next()) }
        let all = try world.allGather(first).flatMap { $0 }
        var whole = Checksum()
        unsafe whole.add(all.span.bytes)
        let start = ContinuousClock.now
        let images = try world.agree(during: .readingData) {
            var images = 0
            repeat { images += try loader.next().count } while ContinuousClock.now - start < .seconds(seconds)
            return images
        }
        var figures = [Double(images), 0]
        figures[1] = Double(images) / ((ContinuousClock.now - start) / .seconds(1))
        try world.allReduce(&figures, .sum)
        return Result(
            images: Int(figures[0]), ranks: world.size, workers: workers, seconds: seconds, imagesPerSecond: figures[1],
            firstBatch: whole.value, firstBatchImages: plan.total)
    }

    /// The CRC-32 of each image of a batch and its label, so that the order of ranks is that of the batch.
    private static func checksums(of batch: Batch) -> [UInt8] {
        var bytes: [UInt8] = []
        for row in 0..<batch.count {
            var checksum = Checksum()
            batch.images.rows(row..<row + 1).withElements { unsafe checksum.add($0.bytes) }
            if let labels = batch.labels { checksum.add(Int(labels[row, 0])) }
            unsafe withUnsafeBytes(of: checksum.value.littleEndian) { unsafe bytes.append(contentsOf: $0) }
        }
        return bytes
    }
}
