internal import Glibc
internal import Host
internal import ImageSources

/// The format of numpy.save: a magic number, a header in Python, and the elements in C order.
enum NumPyFile {
    private static var magic: [UInt8] { [0x93] + Array("NUMPY".utf8) }
    /// NumPy's own header has less than 200 bytes.
    private static var longestHeader: Int { 1 << 16 }

    /// The images of a file, and how they lie in it.
    static func images(
        _ path: String, sharing share: HostShare?
    ) throws(ImageDataError) -> (part: ArrayImages.Part, layout: ArrayLayout) {
        let (header, bytes) = try read(path, sharing: share) { (header) throws(ArrayFault) in
            _ = try Self.layout(header)
        }
        guard let bytes else { throw .noImages(path: path) }
        let layout = try fault(in: path) { () throws(ArrayFault) in try Self.layout(header) }
        return (ArrayImages.Part(bytes: bytes, count: header.shape[0], path: path), layout)
    }

    /// The labels of a file for that many images.
    static func labels(_ path: String, of images: String, count: Int) throws(ImageDataError) -> [Int32] {
        let (header, bytes) = try read(path, sharing: nil) { (header) throws(ArrayFault) in
            guard "iu".contains(header.element.kind) else { throw .labelElement(header.element.name) }
            guard [1, 2, 4, 8].contains(header.element.byteCount) else { throw .labelElement(header.element.name) }
            let others = header.shape.dropFirst().allSatisfy { $0 == 1 }
            guard (1...2).contains(header.shape.count) && others else { throw .labelDimensions(header.shape) }
        }
        guard header.shape[0] == count, let bytes else {
            throw .labelCountMismatch(images: images, imageCount: count, labels: path, labelCount: header.shape[0])
        }
        return try fault(in: path) { () throws(ArrayFault) in try values(header.element, bytes, count: count) }
    }

    private static func layout(_ header: NumPyHeader) throws(ArrayFault) -> ArrayLayout {
        let element = header.element
        guard let known = ArrayElement(rawValue: element.name) else {
            throw .imageElement(element.name, known: ArrayElement.allCases.map(\.rawValue))
        }
        return try ArrayLayout(shape: header.shape, known, isBigEndian: element.isBigEndian)
    }

    private static func values(
        _ element: NumPyHeader.Element, _ bytes: FileBytes, count: Int
    ) throws(ArrayFault) -> [Int32] {
        let size = element.byteCount
        var labels: [Int32] = []
        labels.reserveCapacity(count)
        for index in 0..<count {
            let elements = unsafe bytes[index * size..<(index + 1) * size]
            let bits = (0..<size).reduce(UInt64(0)) {
                unsafe $0 << 8 | UInt64(elements[element.isBigEndian ? $1 : size - 1 - $1])
            }
            let unused = UInt64(64 - 8 * size)
            let label = element.kind == "i" ? String(Int64(bitPattern: bits << unused) >> Int64(unused)) : String(bits)
            guard bits <= UInt64(ArrayFault.largestLabel), element.kind == "u" || !label.hasPrefix("-") else {
                throw .labelOutOfRange(index: index, label: label)
            }
            labels.append(Int32(bits))
        }
        return labels
    }

    /// The header and the elements; none if the first dimension is zero.
    ///
    /// - Parameter check: what the array has to be; asked before anything is read of its elements.
    private static func read(
        _ path: String, sharing share: HostShare?, check: (NumPyHeader) throws(ArrayFault) -> Void
    ) throws(ImageDataError) -> (header: NumPyHeader, bytes: FileBytes?) {
        let file = try DataFile.open(path)
        var start = [UInt8](repeating: 0, count: 8)
        var startSpan = start.mutableSpan
        let known = try file.read(into: &startSpan)
        guard known > 0 && start.prefix(min(known, 6)) == magic.prefix(known) else {
            throw .badArray(path: path, fault: .notNumPy)
        }
        guard known == 8 else { throw .truncated(path: path, expectedBytes: 8, foundBytes: known) }
        let version = Int(start[6])
        guard (1...3).contains(version) else { throw .badArray(path: path, fault: .unknownVersion(version)) }
        var lengthBytes = [UInt8](repeating: 0, count: version == 1 ? 2 : 4)
        var span = lengthBytes.mutableSpan
        try file.readAll(of: &span, after: 8)
        let length = lengthBytes.reversed().reduce(0) { $0 << 8 | Int($1) }
        guard length <= longestHeader else {
            throw .badArray(path: path, fault: .badHeader("would have \(length) bytes"))
        }
        var text = [UInt8](repeating: 0, count: length)
        var textSpan = text.mutableSpan
        let position = 8 + lengthBytes.count
        try file.readAll(of: &textSpan, after: position)
        let header = try fault(in: path) { () throws(ArrayFault) -> NumPyHeader in
            let header = try NumPyHeader(text)
            try check(header)
            return header
        }
        return (header, try elements(file, header, after: position + length, sharing: share))
    }

    private static func elements(
        _ file: borrowing DataFile, _ header: NumPyHeader, after position: Int, sharing share: HostShare?
    ) throws(ImageDataError) -> FileBytes? {
        var (bytes, isTooLarge) = (header.element.byteCount, false)
        for size in header.shape {
            let (product, overflow) = bytes.multipliedReportingOverflow(by: size)
            (bytes, isTooLarge) = (product, isTooLarge || overflow)
        }
        if header.shape[0] == 0 {
            try file.expectEnd(after: position)
            return nil
        }
        guard bytes > 0 && !isTooLarge && bytes < Int.max - position else {
            throw .badArray(path: file.path, fault: .impossibleShape(header.shape))
        }
        guard bytes <= (try file.largestContent()) else {
            let stored = try Int(file.status().st_size)
            throw .truncated(path: file.path, expectedBytes: position + bytes, foundBytes: stored)
        }
        return try file.rest(after: position, count: bytes, sharing: share)
    }

    private static func fault<Result>(
        in path: String, _ body: () throws(ArrayFault) -> Result
    ) throws(ImageDataError) -> Result {
        do { return try body() } catch { throw .badArray(path: path, fault: error) }
    }
}
