/// The header of a safetensors file, checked: the tensors cover the data section without gap or overlap.
///
/// Source: https://github.com/huggingface/safetensors, "Format".
struct SafetensorsHeader: Sendable {
    struct Tensor: Sendable {
        let name: String
        /// The dtype's name in the file, which may be of a later version of the format and unknown here.
        let dtypeName: String
        let shape: [Int]
        /// Bytes of the data section.
        let range: Range<Int>

        var dtype: Dtype? { Dtype(rawValue: dtypeName) }
    }

    /// All tensors, in the order of their data.
    let tensors: [Tensor]
    let metadata: [String: String]

    /// The limit of the reference implementation, in bytes.
    static var maximumLength: Int { 100_000_000 }
    static var metadataName: String { "__metadata__" }

    /// - Parameters:
    ///   - bytes: the JSON text.
    ///   - dataLength: bytes that follow it in the file.
    init(parsing bytes: [UInt8], dataLength: Int, path: String) throws(SafetensorsError) {
        var parser = SafetensorsHeaderParser(bytes: bytes, path: path)
        let entries = try parser.parse()
        metadata = parser.metadata
        var tensors: [Tensor] = []
        tensors.reserveCapacity(entries.count)
        for entry in entries { tensors.append(try Self.checked(entry, dataLength: dataLength, path: path)) }
        // Empty tensors sort before the one that begins where they lie.
        tensors.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
        var end = 0
        for tensor in tensors {
            let begin = tensor.range.lowerBound
            if begin < end {
                throw SafetensorsError(path: path, tensor: tensor.name, .offsetsOverlap(begin: begin, previousEnd: end))
            }
            if begin > end {
                throw SafetensorsError(path: path, tensor: tensor.name, .offsetsGap(begin: begin, previousEnd: end))
            }
            end = tensor.range.upperBound
        }
        if end < dataLength { throw SafetensorsError(path: path, .trailingBytes(dataLength - end)) }
        self.tensors = tensors
    }

    private static func checked(
        _ entry: SafetensorsHeaderParser.Entry, dataLength: Int, path: String
    ) throws(SafetensorsError) -> Tensor {
        func failure(_ reason: SafetensorsError.Reason) -> SafetensorsError {
            SafetensorsError(path: path, tensor: entry.name, reason)
        }
        let (begin, end) = entry.offsets
        // A dtype that is not known here has no size to check; nobody reads its elements either.
        let bytes = try Dtype(rawValue: entry.dtype).map { (dtype) throws(SafetensorsError) in
            try byteCount(dtype, entry.shape, failure)
        }
        if begin > end { throw failure(.offsetsReversed(begin: begin, end: end)) }
        if end > dataLength { throw failure(.offsetsOutsideFile(end: end, available: dataLength)) }
        if let bytes, end - begin != bytes {
            throw failure(.byteCountMismatch(expected: bytes, found: end - begin))
        }
        return Tensor(name: entry.name, dtypeName: entry.dtype, shape: entry.shape, range: begin..<end)
    }

    private static func byteCount(
        _ dtype: Dtype, _ shape: [Int], _ failure: (SafetensorsError.Reason) -> SafetensorsError
    ) throws(SafetensorsError) -> Int {
        // Bytes where elements have whole ones: their number of bits may overflow where that of bytes does not.
        let inBytes = dtype.bits % 8 == 0
        var count = inBytes ? dtype.bits / 8 : dtype.bits
        for extent in shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: extent)
            if overflow { throw failure(.shapeOverflow) }
            count = product
        }
        if inBytes { return count }
        guard count % 8 == 0 else { throw failure(.partOfByte(bits: count)) }
        return count / 8
    }
}
