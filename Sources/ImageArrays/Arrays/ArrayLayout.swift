internal import ImageCodecs
internal import ImageSources

/// How the images of an array lie in its bytes, one after another.
struct ArrayLayout: Equatable {
    let size: ImageSize
    let channels: Int
    var element = ArrayElement.uint8
    var isBigEndian = false
    /// Whether the channels of a pixel follow one another, and not the pixels of a channel.
    var isInterleaved = false
    /// Bytes before the pixels of each image.
    var prefixBytes = 0

    var imageBytes: Int { channels * size.pixels * element.byteCount }
    /// From one image to the next.
    var recordBytes: Int { prefixBytes + imageBytes }

    static var mostChannels: Int { 64 }

    /// Of an array of images, [N, H, W], [N, C, H, W] or [N, H, W, C], with 1 to 64 channels.
    ///
    /// Which of the two, the sizes tell: the one in which images are square, if that is one of them; otherwise the one whose
    /// channels are fewer than both height and width.
    ///
    /// - Throws: for another number of dimensions, too many channels, or where both could be meant.
    init(
        shape: [Int], _ element: ArrayElement = .uint8, isBigEndian: Bool = false
    ) throws(ArrayFault) {
        (self.element, self.isBigEndian) = (element, isBigEndian)
        if shape.count == 3 {
            (size, channels) = (ImageSize(height: shape[1], width: shape[2]), 1)
            return
        }
        guard shape.count == 4 else { throw .dimensions(shape) }
        let planar = Reading(channels: shape[1], height: shape[2], width: shape[3])
        let interleaved = Reading(channels: shape[3], height: shape[1], width: shape[2])
        let possible = [planar, interleaved].filter { $0.channels <= Self.mostChannels }
        guard !possible.isEmpty else { throw .tooManyChannels(shape, most: Self.mostChannels) }
        let square = possible.filter { $0.height == $0.width }
        let flat = possible.filter { $0.channels < min($0.height, $0.width) }
        guard let reading = Self.only(possible) ?? Self.only(square) ?? (square.isEmpty ? Self.only(flat) : nil) else {
            throw .ambiguousChannels(shape)
        }
        (size, channels) = (ImageSize(height: reading.height, width: reading.width), reading.channels)
        isInterleaved = reading == interleaved && channels > 1
    }

    init(size: ImageSize, channels: Int, prefixBytes: Int) {
        (self.size, self.channels, self.prefixBytes) = (size, channels, prefixBytes)
    }

    private struct Reading: Equatable {
        let channels: Int
        let height: Int
        let width: Int
    }

    private static func only(_ readings: [Reading]) -> Reading? { readings.count == 1 ? readings[0] : nil }
}
