import ImageCodecs
import ImageSources
import Tensors
import TestSupport

/// Images of one channel whose sizes differ, and repeat after a while: each the pattern of its number.
struct VariedImages: ImageSource {
    let count: Int
    static let sizes = [(9, 4), (3, 5), (12, 10), (1, 1), (8, 30)].map { ImageSize(height: $0.0, width: $0.1) }

    var name: String { "varied" }
    var channels: Int { 1 }
    var classCount: Int? { nil }
    var uniformSize: ImageSize? { nil }
    var identity: DataIdentity { DataIdentity(count: count, 0) }

    func label(at index: Int) -> Int { preconditionFailure("no labels") }

    func pattern(_ index: Int) -> [UInt8] {
        patternBytes(Self.sizes[index % Self.sizes.count].pixels, salt: index)
    }

    func decode(at index: Int, part choose: (ImageSize) -> CropBox, into buffer: ImageBuffer) -> PixelView {
        let pattern = pattern(index)
        let size = Self.sizes[index % Self.sizes.count]
        let planes = buffer.bytes(pattern.count)
        planes.copy(from: pattern)
        return PixelView(planes: planes, size, channels: 1).part(choose(size))
    }
}
