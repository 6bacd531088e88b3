package import ImageCodecs
internal import Tensors

/// The bytes of an image, which operations change one after another. Each gives what Pillow gives, bit for bit; its source
/// is named where it is done.
///
/// Keeps its memory from one image to the next. One thread at a time.
package final class ByteCanvas {
    private(set) var size = ImageSize(height: 0, width: 0)
    /// [channels, height · width]
    var planes = MatrixView<UInt8>(rows: 0, columns: 0)
    /// As many bytes, for what is made of more than one pixel.
    private var spare = MatrixView<UInt8>(rows: 0, columns: 0)
    /// What each byte of a channel becomes.
    private var table = [UInt8](repeating: 0, count: 256)
    /// How often each byte occurs in the channel that was counted last.
    private(set) var counts = [Int](repeating: 0, count: 256)

    package init() {}

    var channels: Int { planes.rows }

    /// The image as it is now, valid until it is changed.
    package var view: PixelView {
        PixelView(planes: planes.reshaped(rows: 1, columns: planes.count), size, channels: channels)
    }

    /// Takes an image of bytes with one or three channels, from the right end of each line if `mirrored`.
    package func take(_ image: PixelView, mirrored: Bool) {
        precondition(image.channels == 1 || image.channels == 3)
        if image.size != size || image.channels != channels {
            size = image.size
            planes = MatrixView(rows: image.channels, columns: size.pixels)
            spare = MatrixView(rows: image.channels, columns: size.pixels)
        }
        let width = size.width
        for channel in 0..<channels {
            plane(channel).withMutableElements { bytes in
                for row in 0..<size.height {
                    var place = row * width + (mirrored ? width - 1 : 0)
                    image.forEachByte(row: row, channel: channel) { byte in
                        bytes[place] = byte
                        place += mirrored ? -1 : 1
                    }
                }
            }
        }
    }

    func plane(_ channel: Int) -> MatrixView<UInt8> { planes.rows(channel..<channel + 1) }

    /// Counts the bytes of a channel.
    func count(_ channel: Int) {
        for byte in counts.indices { counts[byte] = 0 }
        plane(channel).withElements { bytes in
            for index in bytes.indices { counts[Int(bytes[index])] += 1 }
        }
    }

    /// Puts another in the place of each byte of a channel; it is asked for all 256 in order, and cut off to a byte.
    func replace(_ channel: Int, _ new: (Int) -> Int) {
        for byte in table.indices { table[byte] = UInt8(clamping: new(byte)) }
        plane(channel).withMutableElements { bytes in
            for index in bytes.indices { bytes[index] = table[Int(bytes[index])] }
        }
    }

    /// Puts a new image in the place of this one, channel by channel.
    func redraw(_ draw: (_ channel: Int, _ old: Span<UInt8>, _ new: inout MutableSpan<UInt8>) -> Void) {
        for channel in 0..<channels {
            plane(channel).withElements { old in
                spare.rows(channel..<channel + 1).withMutableElements { new in draw(channel, old, &new) }
            }
        }
        swap(&planes, &spare)
    }
}
