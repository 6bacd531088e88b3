import Foundation
import ImageArrays
import ImageCodecs
import ImageData
import ImageSources
import Testing
import TestSupport

@Suite("Statistics of pixels")
struct ChannelStatisticsTests {
    static let packageMissing: Comment = "needs the Debian package dataset-fashion-mnist"

    @Test(
        "Fashion-MNIST has its published mean and deviation",
        .enabled(if: FileManager.default.fileExists(atPath: ImageDataset.defaultPath), packageMissing))
    func fashionMNIST() throws {
        let train = try ImageDataset.open(path: ImageDataset.defaultPath, split: .train)
        let statistics = try ChannelStatistics(of: train)
        // The published numbers have four digits.
        #expect(abs(statistics.mean[0] - 0.2860) < 0.000_05 && abs(statistics.standardDeviation[0] - 0.3530) < 0.000_05)
    }

    @Test("statistics are those of each channel")
    func statistics() throws {
        let directory = try TemporaryDirectory()
        let plane: (UInt8, UInt8) -> [UInt8] = { low, high in (0..<1024).map { $0.isMultiple(of: 4) ? high : low } }
        let path = try directory.write("test.bin", [0, 0] + plane(0, 255) + plane(51, 51) + plane(10, 30))
        let statistics = try ChannelStatistics(of: CIFARFile.open(.cifar100, paths: [path]))
        // A quarter is high: mean low + (high - low) / 4, deviation (high - low)·√3/4. Rounding of one Float: 1e-6.
        let mean: [Float] = [0.25, 0.2, 15.0 / 255]
        let deviation: [Float] = [0.433_012_7, 1, 20 * 0.433_012_7 / 255]
        for channel in 0..<3 {
            #expect(abs(statistics.mean[channel] - mean[channel]) < 1e-6)
            #expect(abs(statistics.standardDeviation[channel] - deviation[channel]) < 1e-6)
        }
    }

    @Test("statistics count pixels, of large images more than of small ones")
    func statisticsOfSizes() throws {
        let source = VariedImages(count: 12)
        let values = (0..<12).flatMap { source.pattern($0) }.map { Double($0) / 255 }
        let mean = values.reduce(0, +) / Double(values.count)
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
        let statistics = try ChannelStatistics(of: source)
        // Rounding to Float.
        #expect(abs(Double(statistics.mean[0]) - mean) < 1e-7)
        #expect(abs(Double(statistics.standardDeviation[0]) - variance.squareRoot()) < 1e-7)
    }

    @Test("parts that are counted apart give the statistics of the whole, to the last bit", arguments: [1, 3, 7])
    func statisticsOfParts(parts: Int) throws {
        let source = try ImageDataset.open(
            path: "synthetic", split: .train,
            synthetic: SyntheticImageParameters(count: 50, size: ImageSize(height: 9, width: 7)))
        var counts = [Int](repeating: 0, count: 3 * 256)
        for part in (0..<parts).reversed() {
            var histogram = ChannelHistogram(channels: 3)
            try histogram.add(50 * part / parts..<50 * (part + 1) / parts, of: source)
            for (index, count) in histogram.counts.enumerated() { counts[index] += count }
        }
        #expect(try ChannelHistogram(counts: counts).statistics == ChannelStatistics(of: source))
    }

    @Test("statistics of floats are those of their values, as they are", arguments: [1, 63, 200])
    func statisticsOfFloats(count: Int) throws {
        let statistics = try ChannelStatistics(of: FloatImages(count: count))
        for channel in 0..<2 {
            let values = (0..<count).flatMap { FloatImages.values($0, channel: channel) }.map(Double.init)
            let mean = values.reduce(0, +) / Double(values.count)
            let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
            // Rounding to Float, 6e-8.
            #expect(abs(Double(statistics.mean[channel]) / mean - 1) < 1e-7)
            #expect(abs(Double(statistics.standardDeviation[channel]) / variance.squareRoot() - 1) < 1e-7)
        }
    }

    @Test("a channel of floats that never varies is divided by 1")
    func constantFloats() {
        let statistics = ChannelMoments(values: [9, -2.5, 0, 9, 1, 36]).statistics
        #expect(statistics == ChannelStatistics(mean: [-2.5, 1], standardDeviation: [1, 2]))
    }
}
