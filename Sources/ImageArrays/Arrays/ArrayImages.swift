internal import Host
package import ImageCodecs
package import ImageSources

/// Images of one size in arrays that lie in files, which are mapped: the processes of a host share them. Planes of bytes are
/// decoded where they are; of others the part that is wanted is laid out anew.
package struct ArrayImages: ImageSource {
    /// Some of the images: those of one file.
    struct Part {
        let bytes: FileBytes
        let count: Int
        let path: String

        func view(
            _ place: Int, _ layout: ArrayLayout, part choose: (ImageSize) -> CropBox, into buffer: ImageBuffer
        ) -> (pixels: PixelView, isFinite: Bool) {
            unsafe layout.view(
                of: bytes.address + place * layout.recordBytes + layout.prefixBytes, in: bytes.owner,
                part: choose(layout.size), into: buffer)
        }
    }

    package let name: String
    package let classCount: Int?
    package let count: Int
    package let identity: DataIdentity
    private let layout: ArrayLayout
    private let parts: [Part]
    private let labels: [Int32]
    /// Whether versions before `identity` could read these images.
    private let isOfEarlierVersions: Bool

    /// - Parameters:
    ///   - parts: in the order of their images.
    ///   - labels: one for each image, each below `classCount`; none where that is nil.
    init(
        name: String, parts: [Part], _ layout: ArrayLayout, labels: [Int32], classCount: Int?,
        isOfEarlierVersions: Bool = false
    ) {
        let count = parts.reduce(0) { $0 + $1.count }
        precondition(labels.count == (classCount == nil ? 0 : count))
        precondition(parts.allSatisfy { $0.bytes.count == $0.count * layout.recordBytes })
        self.name = name
        self.count = count
        self.layout = layout
        self.parts = parts
        self.labels = labels
        self.classCount = classCount
        self.isOfEarlierVersions = isOfEarlierVersions
        let shape = Self.shape(count, layout, classCount)
        let buffer = ImageBuffer()
        identity = DataIdentity(shape: shape, labels: labels) { index in
            let (part, place) = Self.place(of: index, in: parts)
            return part.view(place, layout, part: \.whole, into: buffer).pixels
        }
    }

    package var channels: Int { layout.channels }
    package var uniformSize: ImageSize? { layout.size }
    package var isFloat: Bool { layout.element != .uint8 }
    package var heldBytes: Int {
        parts.reduce(0) { $0 + $1.bytes.heldBytes } + labels.count * MemoryLayout<Int32>.stride
    }

    package var earlierFingerprint: UInt32? {
        guard isOfEarlierVersions else { return nil }
        var checksum = Checksum(shape: Self.shape(count, layout, classCount), labels: labels)
        for part in parts {
            for image in 0..<part.count {
                let first = image * layout.recordBytes + layout.prefixBytes
                unsafe checksum.add(RawSpan(_unsafeElements: part.bytes[first..<first + layout.imageBytes]))
            }
        }
        return checksum.value
    }

    package func label(at index: Int) -> Int { Int(labels[index]) }

    package func decode(
        at index: Int, part choose: (ImageSize) -> CropBox, into buffer: ImageBuffer
    ) throws(ImageDataError) -> PixelView {
        let (part, place) = Self.place(of: index, in: parts)
        let (pixels, isFinite) = part.view(place, layout, part: choose, into: buffer)
        guard isFinite else { throw .badArray(path: part.path, fault: .notFinite(image: place)) }
        return pixels
    }

    /// The file in which an image is, and its number there.
    private static func place(of index: Int, in parts: [Part]) -> (part: Part, place: Int) {
        var (place, number) = (index, 0)
        while place >= parts[number].count {
            place -= parts[number].count
            number += 1
        }
        precondition(place >= 0)
        return (parts[number], place)
    }

    private static func shape(_ count: Int, _ layout: ArrayLayout, _ classCount: Int?) -> [Int] {
        [count, layout.channels, layout.size.height, layout.size.width, classCount ?? 0]
    }
}
