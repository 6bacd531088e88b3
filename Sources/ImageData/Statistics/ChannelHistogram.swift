internal import ImageCodecs
package import ImageSources
internal import Tensors

/// How many pixels of each channel have each value, over images of any sizes.
///
/// Counts are whole numbers, so parts of a data set can be counted apart and added in any order: the sum, and what follows
/// from it, is the same to the last bit.
package struct ChannelHistogram: Sendable {
    package let channels: Int
    /// Pixels by channel and value, [channels, 256].
    package private(set) var counts: [Int]

    package init(channels: Int) {
        self.channels = channels
        counts = [Int](repeating: 0, count: channels * Self.values)
    }

    /// - Parameter counts: [channels, 256].
    package init(counts: [Int]) {
        precondition(counts.count.isMultiple(of: Self.values))
        channels = counts.count / Self.values
        self.counts = counts
    }

    /// Values of a byte.
    private static var values: Int { 256 }

    /// Decodes some images and counts all their pixels.
    ///
    /// - Parameter badImages: what becomes of images that cannot be decoded; nil for none to be skipped.
    package mutating func add(
        _ images: some Sequence<Int>, of source: any ImageSource, skipping badImages: BadImages? = nil
    ) throws(ImageDataError) {
        precondition(source.channels == channels)
        try source.forEachImage(images, skipping: badImages) { count($0) }
    }

    private mutating func count(_ pixels: PixelView) {
        let channels = channels
        var bins = counts.mutableSpan
        for channel in 0..<channels {
            let first = channel * Self.values
            for row in 0..<pixels.size.height {
                pixels.forEachByte(row: row, channel: channel) { bins[first + Int($0)] += 1 }
            }
        }
    }

    /// The standard deviation is that of the population; a channel that never varies gets 1, since images are divided
    /// by it.
    package var statistics: ChannelStatistics {
        var mean: [Float] = []
        var deviation: [Float] = []
        for channel in 0..<channels {
            let bins = counts[channel * Self.values..<(channel + 1) * Self.values]
            let count = Double(max(bins.reduce(0, +), 1))
            var sum = 0
            for (value, times) in zip(0..<Self.values, bins) { sum += value * times }
            let center = Double(sum) / count
            var squares = 0.0
            for (value, times) in zip(0..<Self.values, bins) {
                let distance = Double(value) - center
                squares += Double(times) * distance * distance
            }
            let spread = (squares / count).squareRoot()
            mean.append(Float(center / 255))
            deviation.append(spread > 0 ? Float(spread / 255) : 1)
        }
        return ChannelStatistics(mean: mean, standardDeviation: deviation)
    }
}
