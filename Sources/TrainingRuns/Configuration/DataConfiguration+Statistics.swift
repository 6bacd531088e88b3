package import Communication
package import ImageData
package import ImageSources

extension DataConfiguration {
    /// Mean and standard deviation that images are normalised with: those of this configuration; what it lacks is computed
    /// from the images, of which each rank has its share, with the same result at any number of ranks. Collective.
    ///
    /// - Parameter badImages: what becomes of images that cannot be decoded, which have no part in it.
    /// - Throws: on all ranks, if an image cannot be read.
    package func statistics(
        of source: any ImageSource, skipping badImages: BadImages, in communicator: any Communicator
    ) throws -> ChannelStatistics {
        if let mean, let standardDeviation {
            return ChannelStatistics(mean: mean, standardDeviation: standardDeviation)
        }
        let computed =
            source.isFloat
            ? try Self.moments(of: source, skipping: badImages, in: communicator).statistics
            : try Self.histogram(of: source, skipping: badImages, in: communicator).statistics
        return ChannelStatistics(
            mean: mean ?? computed.mean, standardDeviation: standardDeviation ?? computed.standardDeviation)
    }

    /// How many images mean and deviation are computed from: all of them, or of photographs, which would have to be decoded
    /// one by one, some in equal distances.
    package static func imagesOfStatistics(_ source: any ImageSource) -> Int {
        source.uniformSize == nil ? min(source.count, 16_384) : source.count
    }

    private static func histogram(
        of source: any ImageSource, skipping badImages: BadImages, in communicator: any Communicator
    ) throws -> ChannelHistogram {
        let count = imagesOfStatistics(source)
        let share = communicator.share(of: count)
        let own = try communicator.agree(during: .readingData) {
            var histogram = ChannelHistogram(channels: source.channels)
            try histogram.add(share.lazy.map { $0 * source.count / count }, of: source, skipping: badImages)
            return histogram
        }
        // Whole numbers below 2^53: any order of addition gives the same.
        var counts = own.counts.map(Double.init)
        try communicator.allReduce(&counts, .sum)
        return ChannelHistogram(counts: counts.map { Int($0) })
    }

    private static func moments(
        of source: any ImageSource, skipping badImages: BadImages, in communicator: any Communicator
    ) throws -> ChannelMoments {
        let chunks = ChannelMoments.chunkCount(of: source)
        let none = ChannelMoments(channels: source.channels)
        // A sum with nothing but zeros changes no bit.
        var values = [Double](repeating: 0, count: chunks * none.values.count)
        try communicator.agree(during: .readingData) {
            for chunk in communicator.share(of: chunks) {
                let own = try ChannelMoments(chunk: chunk, of: source, skipping: badImages).values
                values.replaceSubrange(chunk * own.count..<(chunk + 1) * own.count, with: own)
            }
        }
        try communicator.allReduce(&values, .sum)
        var all = none
        for chunk in 0..<chunks {
            let part = values[chunk * none.values.count..<(chunk + 1) * none.values.count]
            all.add(ChannelMoments(values: Array(part)))
        }
        return all
    }
}
