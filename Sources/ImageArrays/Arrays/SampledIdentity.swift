internal import Host
internal import ImageCodecs
internal import ImageSources

extension DataIdentity {
    /// Of images of one size: of the shape, all labels, and the pixels of `sampledImages` images in equal distances.
    ///
    /// - Parameters:
    ///   - shape: the number of images, and what else is the same for all.
    ///   - pixels: of an image.
    init<Failure: Error>(
        shape: [Int], labels: [Int32], pixels: (Int) throws(Failure) -> PixelView
    ) throws(Failure) {
        var checksum = Checksum(shape: shape, labels: labels)
        let sampled = min(shape[0], Self.sampledImages)
        for sample in 0..<sampled { checksum.add(try pixels(sample * shape[0] / sampled)) }
        self.init(count: shape[0], checksum.value)
    }

    /// Another version of a data set in which one image of twenty differs is taken for the same once in 27 times.
    private static var sampledImages: Int { 64 }
}

extension Checksum {
    init(shape: [Int], labels: [Int32]) {
        self.init()
        for value in shape { add(value) }
        unsafe add(labels.span.bytes)
    }

    /// All pixels of an image, one channel after the other.
    fileprivate mutating func add(_ pixels: PixelView) {
        let width = pixels.size.width
        var line = [UInt8](repeating: 0, count: width)
        for channel in 0..<pixels.channels {
            for row in 0..<pixels.size.height {
                if case .floatPlanes = pixels.layout {
                    unsafe add(Span(_unsafeStart: pixels.floats(row: row, channel: channel), count: width).bytes)
                    continue
                }
                var column = 0
                pixels.forEachByte(row: row, channel: channel) {
                    line[column] = $0
                    column += 1
                }
                unsafe add(line.span.bytes)
            }
        }
    }
}
