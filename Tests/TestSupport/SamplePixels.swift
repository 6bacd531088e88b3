package import ImageCodecs
package import ImageSources

extension PixelView {
    /// All channels, one after the other.
    package var planes: [UInt8] {
        var bytes: [UInt8] = []
        for channel in 0..<channels {
            for row in 0..<size.height { forEachByte(row: row, channel: channel) { bytes.append($0) } }
        }
        return bytes
    }
}

/// A pixel as it is decoded, whatever it is kept as.
package func value(_ view: PixelView, row: Int, column: Int, channel: Int) -> Float {
    if case .floatPlanes = view.layout { return unsafe view.floats(row: row, channel: channel)[column] }
    return Float(view[row, column, channel: channel])
}

/// The pixels of one image, planar.
package func pixels(_ source: any ImageSource, _ index: Int) throws -> [UInt8] {
    try source.decode(at: index, into: ImageBuffer()).planes
}

/// Bytes without a visible pattern, the same at each call.
package func patternBytes(_ count: Int, salt: Int = 1) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761 &+ salt &* 97) >> 7) }
}
