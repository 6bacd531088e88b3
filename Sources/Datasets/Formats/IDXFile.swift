internal import ImageCodecs
package import Host

/// The IDX format of MNIST and Fashion-MNIST, plain or gzip.
///
/// A big-endian magic number (two zero bytes, the element type, the number of dimensions), the dimensions as 32-bit
/// big-endian integers, then the elements. Source: Y. LeCun, "The MNIST database", section "File formats".
package enum IDXFile {
    /// The third byte of the magic number.
    package enum ElementType: UInt8, Sendable {
        case unsignedBytes = 0x08
        case signedBytes = 0x09
        case int16 = 0x0B
        case int32 = 0x0C
        case float32 = 0x0D
        case float64 = 0x0E

        var name: String {
            switch self {
            case .unsignedBytes: "bytes"
            case .signedBytes: "signed bytes"
            case .int16: "16-bit integers"
            case .int32: "32-bit integers"
            case .float32: "32-bit floats"
            case .float64: "64-bit floats"
            }
        }
    }

    /// Reads images, and their labels if there is a file of them; the classes are those up to the greatest label.
    ///
    /// - Throws: an error that names the file, for a wrong header, a wrong length, damaged gzip data, or when there is
    ///   not one label per image.
    package static func open(
        name: String, images imagesPath: String, labels labelsPath: String?, sharing share: HostShare? = nil
    ) throws(ImageDataError) -> ArrayImages {
        let images = try read(imagesPath, dimensions: 3, sharing: share)
        guard let count = images.dimensions.first, count > 0, let bytes = images.elements else {
            throw .noImages(path: imagesPath)
        }
        let layout = ArrayLayout(
            size: ImageSize(height: images.dimensions[1], width: images.dimensions[2]), channels: 1)
        let labels = try labelsPath.map { (path) throws(ImageDataError) in
            try Self.labels(path, of: imagesPath, count: count)
        }
        return try ArrayImages(
            name: name, parts: [ArrayImages.Part(bytes: bytes, count: count)], layout, labels: labels ?? [],
            classCount: labels.map { Int($0.max() ?? 0) + 1 }, isOfEarlierVersions: true)
    }

    private static func labels(
        _ path: String, of images: String, count: Int
    ) throws(ImageDataError) -> [Int32] {
        let labels = try read(path, dimensions: 1, sharing: nil)
        guard labels.dimensions[0] == count, let bytes = labels.elements else {
            throw .labelCountMismatch(
                images: images, imageCount: count, labels: path, labelCount: labels.dimensions[0])
        }
        return unsafe bytes[0..<count].map(Int32.init)
    }

    /// The elements, none if the first dimension is zero.
    private static func read(
        _ path: String, dimensions count: Int, sharing share: HostShare?
    ) throws(ImageDataError) -> (elements: FileBytes?, dimensions: [Int]) {
        let file = try DataFile.open(path)
        // Four bytes first, so that a file of another kind is not called truncated.
        let found = try bigEndian(file, words: 1, after: 0)[0]
        guard found >> 16 == 0, let type = ElementType(rawValue: UInt8(truncatingIfNeeded: found >> 8)) else {
            throw .notIDX(path: path, found: found)
        }
        guard type == .unsignedBytes && found & 0xFF == count else {
            throw .otherIDX(path: path, expectedDimensions: count, dimensions: Int(found & 0xFF), type: type)
        }
        let declared = try bigEndian(file, words: count, after: 4)
        let header = 4 * (1 + count)
        let bytes = product(declared)
        if declared[0] == 0 {
            try file.expectEnd(after: header)
            return (nil, declared.map(Int.init))
        }
        guard let bytes, bytes > 0, bytes <= (try file.largestContent()) else {
            throw .impossibleDimensions(path: path, dimensions: declared)
        }
        return (try file.rest(after: header, count: bytes, sharing: share), declared.map(Int.init))
    }

    private static func bigEndian(
        _ file: borrowing DataFile, words: Int, after header: Int
    ) throws(ImageDataError) -> [UInt32] {
        var bytes = [UInt8](repeating: 0, count: 4 * words)
        var span = bytes.mutableSpan
        try file.readAll(of: &span, after: header)
        return (0..<words).map { word in
            bytes[4 * word..<4 * word + 4].reduce(0) { $0 << 8 | UInt32($1) }
        }
    }

    /// Nil when the product does not fit.
    private static func product(_ factors: [UInt32]) -> Int? {
        var product = 1
        for factor in factors {
            let (value, overflow) = product.multipliedReportingOverflow(by: Int(factor))
            if overflow { return nil }
            product = value
        }
        return product
    }
}
