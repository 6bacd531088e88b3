package import Datasets

/// Mean and standard deviation of each channel, of pixels scaled to 0 ... 1.
package struct ChannelStatistics: Hashable, Sendable {
    package let mean: [Float]
    package let standardDeviation: [Float]

    package init(mean: [Float], standardDeviation: [Float]) {
        precondition(mean.count == standardDeviation.count && standardDeviation.allSatisfy { $0 > 0 })
        self.mean = mean
        self.standardDeviation = standardDeviation
    }

    /// Those of every pixel of every image of `source`.
    package init(of source: any ImageSource) throws(ImageDataError) {
        var histogram = ChannelHistogram(channels: source.channels)
        try histogram.add(0..<source.count, of: source)
        self = histogram.statistics
    }
}
