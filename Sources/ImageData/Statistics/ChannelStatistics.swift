package import ImageSources

/// Mean and standard deviation of each channel, of bytes scaled to 0 ... 1 and of floats as they are.
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
        guard !source.isFloat else {
            var moments = ChannelMoments(channels: source.channels)
            for chunk in 0..<ChannelMoments.chunkCount(of: source) {
                moments.add(try ChannelMoments(chunk: chunk, of: source))
            }
            self = moments.statistics
            return
        }
        var histogram = ChannelHistogram(channels: source.channels)
        try histogram.add(0..<source.count, of: source)
        self = histogram.statistics
    }
}

extension ChannelStatistics {
    /// Any, for steps that are laid out and never run.
    package static func unknown(channels: Int) -> ChannelStatistics {
        ChannelStatistics(
            mean: [Float](repeating: 0.5, count: channels),
            standardDeviation: [Float](repeating: 0.25, count: channels))
    }
}
