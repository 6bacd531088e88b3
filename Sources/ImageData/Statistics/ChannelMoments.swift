internal import ImageCodecs
package import ImageSources

/// How many pixels each channel of some images of floats has, their mean, and the sum of their squared distances from it.
///
/// Sums of floats depend on their order. It is always that of chunks of images, each of which can be summed by anybody:
/// then the result is the same to the last bit whoever has summed which.
package struct ChannelMoments: Sendable {
    /// Number, mean, sum of squares; [channels, 3].
    package private(set) var values: [Double]

    package init(channels: Int) { values = [Double](repeating: 0, count: channels * Self.figures) }

    /// - Parameter values: [channels, 3].
    package init(values: [Double]) {
        precondition(values.count.isMultiple(of: Self.figures))
        self.values = values
    }

    private static var figures: Int { 3 }
    /// Images of a chunk.
    private static var chunkSize: Int { 64 }

    package static func chunkCount(of source: any ImageSource) -> Int { (source.count + chunkSize - 1) / chunkSize }

    /// Of the images of one chunk.
    ///
    /// - Parameter badImages: what becomes of images that cannot be decoded; nil for none to be skipped.
    package init(
        chunk: Int, of source: any ImageSource, skipping badImages: BadImages? = nil
    ) throws(ImageDataError) {
        self.init(channels: source.channels)
        let images = chunk * Self.chunkSize..<min((chunk + 1) * Self.chunkSize, source.count)
        try source.forEachImage(images, skipping: badImages) { add($0) }
    }

    private mutating func add(_ pixels: PixelView) {
        let count = Double(pixels.size.pixels)
        for channel in 0..<values.count / Self.figures {
            let mean = Self.sum(pixels, channel) { $0 } / count
            let squares = Self.sum(pixels, channel) { ($0 - mean) * ($0 - mean) }
            add(count, mean, squares, to: channel)
        }
    }

    @inline(__always)
    private static func sum(_ pixels: PixelView, _ channel: Int, _ term: (Double) -> Double) -> Double {
        var sum = 0.0
        for row in 0..<pixels.size.height {
            let line = unsafe pixels.floats(row: row, channel: channel)
            for column in 0..<pixels.size.width { unsafe sum += term(Double(line[column])) }
        }
        return sum
    }

    /// Those of the images that follow.
    package mutating func add(_ other: ChannelMoments) {
        precondition(other.values.count == values.count)
        for channel in 0..<values.count / Self.figures {
            let first = channel * Self.figures
            add(other.values[first], other.values[first + 1], other.values[first + 2], to: channel)
        }
    }

    /// T. Chan, G. Golub, R. LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
    private mutating func add(_ count: Double, _ mean: Double, _ squares: Double, to channel: Int) {
        guard count > 0 else { return }
        let first = channel * Self.figures
        let total = values[first] + count
        let distance = mean - values[first + 1]
        values[first + 2] += squares + distance * distance * (values[first] * count / total)
        values[first + 1] += distance * (count / total)
        values[first] = total
    }

    /// The standard deviation is that of the population; a channel that never varies gets 1, since images are divided
    /// by it.
    package var statistics: ChannelStatistics {
        var mean: [Float] = []
        var deviation: [Float] = []
        for channel in 0..<values.count / Self.figures {
            let first = channel * Self.figures
            let spread = Float((values[first + 2] / max(values[first], 1)).squareRoot())
            mean.append(Float(values[first + 1]))
            deviation.append(spread > 0 ? spread : 1)
        }
        return ChannelStatistics(mean: mean, standardDeviation: deviation)
    }
}
