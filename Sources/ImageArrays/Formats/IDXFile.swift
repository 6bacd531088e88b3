package import Host
internal import ImageCodecs
package import ImageSources

/// The IDX format of MNIST and Fashion-MNIST, plain or gzip.
///
/// A big-endian magic number (two zero bytes, the element type, the number of dimensions), the dimensions as 32-bit
/// big-endian integers, then the elements. Source: Y. LeCun, "The MNIST database", section "File formats".
package enum IDXFile {
    /// Reads images, and their labels if there is a file of them; the classes are those up to the greatest label.
    ///
    /// - Throws: an error that names the file, for a wrong header, a wrong length, damaged gzip data, or when there is
    ///   not one label per image.
    package static func open(
        name: String, images imagesPath: String, labels labelsPath: String?, sharing share: HostShare? = nil
    ) throws(ImageDataError) -> ArrayImages {
        let images = try read(imagesPath, .images, sharing: share)
        guard let count = images.dimensions.first, count > 0, let bytes = images.elements,
            let element = images.type.element
        else { throw .noImages(path: imagesPath) }
        let layout: ArrayLayout
        do { layout = try ArrayLayout(shape: images.dimensions, element, isBigEndian: true) } catch {
            throw .badArray(path: imagesPath, fault: error)
        }
        let labels = try labelsPath.map { (path) throws(ImageDataError) in
            try Self.labels(path, of: imagesPath, count: count)
        }
        return ArrayImages(
            name: name, parts: [ArrayImages.Part(bytes: bytes, count: count, path: imagesPath)], layout,
            labels: labels ?? [], classCount: labels.map { Int($0.max() ?? 0) + 1 },
            isOfEarlierVersions: images.dimensions.count == 3 && element == .uint8)
    }

    private static func labels(
        _ path: String, of images: String, count: Int
    ) throws(ImageDataError) -> [Int32] {
        let labels = try read(path, .labels, sharing: nil)
        guard labels.dimensions[0] == count, let bytes = labels.elements else {
            throw .labelCountMismatch(
                images: images, imageCount: count, labels: path, labelCount: labels.dimensions[0])
        }
        return unsafe bytes[0..<count].map(Int32.init)
    }

    /// The elements, none if the first dimension is zero.
    private static func read(
        _ path: String, _ content: IDXContent, sharing share: HostShare?
    ) throws(ImageDataError) -> (elements: FileBytes?, dimensions: [Int], type: IDXElementType) {
        let file = try DataFile.open(path)
        // Four bytes first, so that a file of another kind is not called truncated.
        let found = try bigEndian(file, words: 1, after: 0)[0]
        guard found >> 16 == 0, let type = IDXElementType(rawValue: UInt8(truncatingIfNeeded: found >> 8)) else {
            throw .notIDX(path: path, found: found)
        }
        let count = Int(found & 0xFF)
        guard content.has(count, of: type) else {
            throw .otherIDX(path: path, content: content, dimensions: count, type: type)
        }
        let declared = try bigEndian(file, words: count, after: 4)
        let header = 4 * (1 + count)
        if declared[0] == 0 {
            try file.expectEnd(after: header)
            return (nil, declared.map(Int.init), type)
        }
        guard let bytes = product(declared + [UInt32(type.byteCount)]), bytes > 0, bytes <= (try file.largestContent())
        else { throw .impossibleDimensions(path: path, dimensions: declared) }
        return (try file.rest(after: header, count: bytes, sharing: share), declared.map(Int.init), type)
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

extension IDXElementType {
    /// What images can be of.
    var element: ArrayElement? {
        switch self {
        case .unsignedBytes: .uint8
        case .int16: .int16
        case .float32: .float32
        case .float64: .float64
        case .signedBytes, .int32: nil
        }
    }

    var byteCount: Int {
        switch self {
        case .unsignedBytes, .signedBytes: 1
        case .int16: 2
        case .int32, .float32: 4
        case .float64: 8
        }
    }
}

extension IDXContent {
    func has(_ dimensions: Int, of type: IDXElementType) -> Bool {
        switch self {
        case .images: (dimensions == 3 || dimensions == 4) && type.element != nil
        case .labels: dimensions == 1 && type == .unsignedBytes
        }
    }
}
