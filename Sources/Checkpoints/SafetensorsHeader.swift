/// The header of a safetensors file, checked: the tensors cover the data section without gap or overlap.
///
/// Source: https://github.com/huggingface/safetensors, "Format".
struct SafetensorsHeader: Sendable {
    struct Tensor: Sendable {
        let name: String
        let dtype: Dtype
        let shape: [Int]
        /// Bytes of the data section.
        let range: Range<Int>
    }

    /// In the order of their data.
    let tensors: [Tensor]
    let metadata: [String: String]

    /// The limit of the reference implementation, in bytes.
    static var maximumLength: Int { 100_000_000 }
    static var metadataName: String { "__metadata__" }

    /// - Parameters:
    ///   - bytes: the JSON text.
    ///   - dataLength: bytes that follow it in the file.
    init(parsing bytes: [UInt8], dataLength: Int, path: String) throws(CheckpointError) {
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
                throw CheckpointError(path: path, tensor: tensor.name, .offsetsOverlap(begin: begin, previousEnd: end))
            }
            if begin > end {
                throw CheckpointError(path: path, tensor: tensor.name, .offsetsGap(begin: begin, previousEnd: end))
            }
            end = tensor.range.upperBound
        }
        if end < dataLength { throw CheckpointError(path: path, .trailingBytes(dataLength - end)) }
        self.tensors = tensors
    }

    private static func checked(
        _ entry: SafetensorsHeaderParser.Entry, dataLength: Int, path: String
    ) throws(CheckpointError) -> Tensor {
        func failure(_ reason: CheckpointError.Reason) -> CheckpointError {
            CheckpointError(path: path, tensor: entry.name, reason)
        }
        guard let dtype = Dtype(rawValue: entry.dtype) else { throw failure(.unsupportedDtype(entry.dtype)) }
        var byteCount = dtype.size
        for extent in entry.shape {
            let (product, overflow) = byteCount.multipliedReportingOverflow(by: extent)
            if overflow { throw failure(.shapeOverflow) }
            byteCount = product
        }
        let (begin, end) = entry.offsets
        if begin > end { throw failure(.offsetsReversed(begin: begin, end: end)) }
        if end > dataLength { throw failure(.offsetsOutsideFile(end: end, available: dataLength)) }
        if end - begin != byteCount { throw failure(.byteCountMismatch(expected: byteCount, found: end - begin)) }
        return Tensor(name: entry.name, dtype: dtype, shape: entry.shape, range: begin..<end)
    }
}
