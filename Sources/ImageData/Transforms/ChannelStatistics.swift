import Glibc

/// Mean and standard deviation of each channel, of pixels scaled to 0 ... 1.
package struct ChannelStatistics: Hashable, Sendable {
    package let mean: [Float]
    package let standardDeviation: [Float]

    package init(mean: [Float], standardDeviation: [Float]) {
        precondition(mean.count == standardDeviation.count && standardDeviation.allSatisfy { $0 > 0 })
        self.mean = mean
        self.standardDeviation = standardDeviation
    }

    /// Counts every pixel of every image of `source`, so that the result is the same on every rank.
    ///
    /// The standard deviation is that of the population; a channel that never varies gets 1, since images are divided
    /// by it.
    package init(of source: any ImageSource) throws(ImageDataError) {
        let channels = source.channels
        var histogram = [Int](repeating: 0, count: channels * 256)
        var pixels = [UInt8](repeating: 0, count: channels * source.largestSize.pixels)
        for index in 0..<source.count {
            var span = pixels.mutableSpan
            try source.copyPixels(at: index, into: &span)
            let plane = source.size(at: index).pixels
            for channel in 0..<channels {
                let bins = channel * 256
                for offset in channel * plane..<(channel + 1) * plane { histogram[bins + Int(pixels[offset])] += 1 }
            }
        }
        var mean: [Float] = []
        var deviation: [Float] = []
        for channel in 0..<channels {
            let bins = histogram[channel * 256..<(channel + 1) * 256]
            let count = Double(max(bins.reduce(0, +), 1))
            var sum = 0
            for (value, times) in zip(0..<256, bins) { sum += value * times }
            let center = Double(sum) / count
            var squares = 0.0
            for (value, times) in zip(0..<256, bins) {
                let distance = Double(value) - center
                squares += Double(times) * distance * distance
            }
            let spread = (squares / count).squareRoot()
            mean.append(Float(center / 255))
            deviation.append(spread > 0 ? Float(spread / 255) : 1)
        }
        self.init(mean: mean, standardDeviation: deviation)
    }
}
