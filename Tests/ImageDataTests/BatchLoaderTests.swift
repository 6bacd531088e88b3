import Augmentation
import Foundation
import ImageArrays
import ImageCodecs
import ImageData
import ImageSources
import Tensors
import Testing
import TestSupport

@Suite("Batch loader", .timeLimit(.minutes(30)))
struct BatchLoaderTests {
    /// What a batch holds, copied out of the loader's memory.
    struct Copy: Equatable {
        let images: [Float]
        let labels: [Int32]
        let samples: [Int]
        let position: [Int]

        init(_ batch: Batch) {
            images = batch.images.array
            labels = batch.labels?.array ?? []
            samples = batch.samples.array
            position = [batch.epoch, batch.step, batch.micro]
        }
    }

    /// Synthetic images, of which one cannot be read.
    struct DamagedSource: WrappedImages {
        let images: SyntheticImages
        let damaged: Int

        func decode(
            at index: Int, part choose: (ImageSize) -> CropBox, into buffer: ImageBuffer
        ) throws(ImageDataError) -> PixelView {
            if index == damaged { throw .unreadable(path: "/data/image-\(index).jpeg", reason: "damaged") }
            return images.decode(at: index, part: choose, into: buffer)
        }
    }

    private func images() throws -> SyntheticImages {
        try SyntheticImages(
            SyntheticImageParameters(count: 50, channels: 1, size: ImageSize(height: 8, width: 8)), split: .train)
    }

    private func source(damaged: Int? = nil) throws -> any ImageSource {
        let images = try images()
        if let damaged { return DamagedSource(images: images, damaged: damaged) }
        return images
    }

    private func loader(
        _ source: any ImageSource, rank: Int = 0, worldSize: Int = 1, accumulation: Int = 1, repeats: Int = 1,
        epoch: Int = 0, step: Int = 0, badImages: BadImages? = nil, prefetch: Int, workers: Int = 1,
        plan: MemoryPlan = MemoryPlan()
    ) throws -> BatchLoader {
        let transform = ImageTransform(
            size: ImageSize(height: 8, width: 8), statistics: ChannelStatistics(mean: [0.5], standardDeviation: [0.25]),
            augmentation: .crop(RandomResizedCrop()))
        let division = try EpochDivision(
            imageCount: source.count, BatchPlan(globalBatch: 16, ranks: worldSize, accumulation: accumulation),
            rank: rank)
        return try BatchLoader(
            source: source, transform: transform, division: division, repeats: repeats, seed: 11, badImages: badImages,
            epoch: epoch,
            step: step,
            workers: prefetch == 0 ? 0 : workers, prefetch: max(prefetch, 1), plan: plan)
    }

    private func take(_ count: Int, _ loader: BatchLoader) throws -> [Copy] {
        try (0..<count).map { _ in Copy(try loader.next()) }
    }

    @Test("batches are the same however many are prepared ahead", arguments: [1, 2, 3])
    func prefetch(depth: Int) throws {
        let reference = try take(14, loader(source(), accumulation: 2, prefetch: 0))
        #expect(
            reference.map(\.position)[..<7].elementsEqual([
                [0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1], [0, 2, 0], [0, 2, 1], [1, 0, 0],
            ]))
        let ahead = try loader(source(), accumulation: 2, prefetch: depth)
        for expected in reference {
            let batch = try ahead.next()
            // Time for the thread to run ahead: it must not touch the batch that is held here.
            usleep(2000)
            #expect(Copy(batch) == expected)
        }
    }

    @Test("batches are the same however many threads prepare them", arguments: [1, 2, 3, 8], [1, 2])
    func workers(count: Int, depth: Int) throws {
        let reference = try take(14, loader(source(), accumulation: 2, prefetch: 0))
        for start in [0, 2] {
            let ahead = try loader(source(), accumulation: 2, step: start, prefetch: depth, workers: count)
            #expect(try take(14 - 2 * start, ahead) == Array(reference[(2 * start)...]))
        }
    }

    @Test("in the place of an image that cannot be decoded is another, the same for all", arguments: [0, 1, 3])
    func replacement(workers: Int) throws {
        let images = try source()
        let reference = try take(12, loader(images, prefetch: 0))
        let bad = BadImages(.skip, of: images.count)
        let prefetch = workers == 0 ? 0 : 2
        let found = try take(
            12, loader(source(damaged: 7), badImages: bad, prefetch: prefetch, workers: max(workers, 1)))
        for (new, old) in zip(found, reference) {
            for row in 0..<16 {
                #expect(new.samples[row] != 7 && (old.samples[row] == 7 || new.samples[row] == old.samples[row]))
                #expect(new.labels[row] == images.label(at: new.samples[row]))
            }
        }
        #expect(
            BadImages.lines(of: bad.news()) == [
                "skipped /data/image-7.jpeg: cannot be read: damaged; "
                    + "check its permissions or fetch the file again"
            ])
        #expect(bad.news().isEmpty)
        // Two ranks, from the middle on.
        let parts = try (0..<2).map { rank in
            try take(
                4,
                loader(
                    source(damaged: 7), rank: rank, worldSize: 2, epoch: 1, step: 1,
                    badImages: BadImages(.skip, of: 50), prefetch: 2))
        }
        for step in 0..<4 { #expect(parts[0][step].samples + parts[1][step].samples == found[4 + step].samples) }
    }

    @Test("many images that cannot be decoded end the run")
    func manyBadImages() throws {
        struct Unreadable: WrappedImages {
            let images: SyntheticImages
            func decode(
                at index: Int, part choose: (ImageSize) -> CropBox, into buffer: ImageBuffer
            ) throws(ImageDataError) -> PixelView {
                if index.isMultiple(of: 2) { throw .badImage(path: "/\(index)", reason: .empty) }
                return images.decode(at: index, part: choose, into: buffer)
            }
        }
        let bad = BadImages(.skip, of: 50)
        let error = thrownError(ImageDataError.self) {
            try take(9, loader(Unreadable(images: images()), badImages: bad, prefetch: 2))
        }
        #expect(error?.description.contains("11 images cannot be decoded, more than are skipped; the last: /") == true)
        let found = bad.news()
        #expect(BadImages.lines(of: found).last == "skipped 8 more images that cannot be decoded")
        #expect(BadImages.lines(of: Array(found[..<4])).last == "skipped 1 more image that cannot be decoded")
        #expect(Set(found.map(\.image)).count == 11 && BadImages.decoded(BadImages.encoded(found)) == found)
    }

    @Test("images without labels make batches without labels")
    func noLabels() throws {
        let batch = try loader(VariedImages(count: 20), prefetch: 0).next()
        #expect(batch.labels == nil && batch.count == 16)
    }

    @Test("the micro-batches of a step are given as often as is asked for, one after another", arguments: [0, 2])
    func repeats(prefetch: Int) throws {
        let once = try take(8, loader(source(), accumulation: 2, prefetch: 0))
        let repeated = try take(24, loader(source(), accumulation: 2, repeats: 3, prefetch: prefetch))
        for (index, batch) in repeated.enumerated() {
            #expect(batch == once[index / 6 * 2 + index % 2])
        }
        let resumed = try take(6, loader(source(), accumulation: 2, repeats: 3, step: 3, prefetch: prefetch))
        #expect(resumed == Array(repeated[18...]))
    }

    @Test("images of different sizes make the same batches, however many are prepared ahead", arguments: [0, 2])
    func sizes(prefetch: Int) throws {
        let source = VariedImages(count: 40)
        let transform = ImageTransform(
            size: ImageSize(height: 8, width: 8), statistics: ChannelStatistics(mean: [0.5], standardDeviation: [0.25]),
            augmentation: .crop(RandomResizedCrop()))
        for batch in try take(5, loader(source, prefetch: prefetch)) {
            for (row, sample) in batch.samples.enumerated() {
                let alone = Matrix(rows: 1, columns: 64)
                // Memory of its own, which no other image has used.
                try transform.prepare(
                    source, index: sample, seed: 11, epoch: batch.position[0], workspace: AugmentationWorkspace(),
                    into: alone)
                #expect(alone.array == Array(batch.images[64 * row..<64 * row + 64]))
            }
        }
    }

    @Test("a loader may start at any step", arguments: [0, 2])
    func resume(prefetch: Int) throws {
        let reference = try take(18, loader(source(), accumulation: 2, prefetch: 0))
        for (start, position) in [(2, (0, 1)), (4, (0, 2)), (6, (0, 3)), (6, (1, 0)), (10, (1, 2))] {
            let resumed = try loader(
                source(), accumulation: 2, epoch: position.0, step: position.1, prefetch: prefetch)
            #expect(try take(6, resumed) == Array(reference[start..<start + 6]))
        }
    }

    @Test("ranks and micro-batches together hold the images of one rank alone", arguments: [1, 2, 4, 8], [1, 2])
    func ranks(worldSize: Int, accumulation: Int) throws {
        let reference = try take(7, loader(source(), prefetch: 0))
        let loaders = try (0..<worldSize).map {
            try loader(source(), rank: $0, worldSize: worldSize, accumulation: accumulation, prefetch: 2)
        }
        for expected in reference {
            var images: [Float] = []
            var samples: [Int] = []
            for loader in loaders {
                for part in try take(accumulation, loader) {
                    images += part.images
                    samples += part.samples
                    #expect(part.position[..<2] == expected.position[..<2])
                }
            }
            #expect(samples == expected.samples && images == expected.images)
        }
    }

    @Test("labels belong to the samples")
    func labels() throws {
        for batch in try take(4, loader(source(), prefetch: 2)) {
            #expect(batch.labels == batch.samples.map { Int32($0 % 10) } && Set(batch.samples).count == 16)
        }
    }

    @Test("an error while preparing reaches the consumer after the good batches, and stays", arguments: [0, 2])
    func failure(prefetch: Int) throws {
        let good = try take(3, loader(source(), prefetch: 0))
        let damaged = good[2].samples[5]
        let loader = try loader(source(damaged: damaged), prefetch: prefetch)
        #expect(try take(2, loader) == Array(good[..<2]))
        for _ in 0..<2 {
            #expect(throws: ImageDataError.unreadable(path: "/data/image-\(damaged).jpeg", reason: "damaged")) {
                try loader.next()
            }
        }
    }

    @Test("a loader ends cleanly, whatever its thread is doing")
    func stop() throws {
        for round in 0..<50 {
            let loader = try loader(source(), prefetch: 1 + round % 3)
            _ = try take(round % 4, loader)
            if round.isMultiple(of: 2) { loader.stop() }
        }
    }

    @Test("the plan is charged with the batches in flight")
    func memory() throws {
        let plan = MemoryPlan()
        _ = try loader(source(), worldSize: 2, prefetch: 2, plan: plan)
        // Three batches of 8 images of 64 floats, with a 4-byte label and an 8-byte index each.
        #expect(plan.bytes(for: .batches) == 3 * 8 * (64 * 4 + 4 + 8) && plan.totalBytes == plan.bytes(for: .batches))
    }
}
