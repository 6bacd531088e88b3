package import Tensors
internal import Host

/// A safetensors file, open for reading. Its header is read and checked at once, its tensors when asked for.
///
/// Withstands any content: nothing is allocated or read that the file's own length does not bear out.
package final class SafetensorsFile: Sendable {
    package struct TensorInfo: Equatable, Sendable {
        /// Nil for one that is not known here.
        package let dtype: Dtype?
        package let shape: [Int]
    }

    package let path: String
    /// The names of all tensors, in the order of their data.
    package let names: [String]
    /// The strings of `__metadata__`.
    package let metadata: [String: String]

    private let file: OpenFile
    private let tensors: [String: SafetensorsHeader.Tensor]
    /// Where the data section begins, in bytes.
    private let dataStart: Int

    /// Elements are converted, and rows of strided views gathered, in pieces of this many bytes.
    private static var pieceSize: Int { 1 << 20 }

    /// - Throws: `FileError`: the file cannot be read; `SafetensorsError`: its header is malformed, inconsistent in itself or
    ///   with the file's length.
    package init(path: String) throws {
        let file = try OpenFile.reading(path)
        let size = try file.size()
        guard size >= 8 else { throw SafetensorsError(path: path, .tooShort(bytes: size)) }
        let length = try file.littleEndianValue(at: 0)
        if length > SafetensorsHeader.maximumLength {
            throw SafetensorsError(path: path, .headerTooLong(bytes: length, limit: SafetensorsHeader.maximumLength))
        }
        if length > size - 8 {
            throw SafetensorsError(path: path, .headerBeyondFile(bytes: length, available: size - 8))
        }
        dataStart = 8 + Int(length)
        let text = try file.bytes(in: 8..<dataStart)
        let header = try SafetensorsHeader(parsing: text, dataLength: size - dataStart, path: path)
        self.path = path
        self.file = file
        names = header.tensors.map(\.name)
        metadata = header.metadata
        tensors = Dictionary(uniqueKeysWithValues: header.tensors.map { ($0.name, $0) })
    }

    package subscript(name: String) -> TensorInfo? {
        tensors[name].map { TensorInfo(dtype: $0.dtype, shape: $0.shape) }
    }

    /// All elements of a tensor, converted to `Float` as `read(_:shape:into:)` does.
    package func floats(_ name: String) throws -> [Float] {
        let tensor = try tensor(name)
        let size = try conversion(of: tensor).size
        var values = [Float](repeating: 0, count: tensor.range.count / size)
        var span = values.mutableSpan
        try read(tensor, from: 0, into: &span)
        return values
    }

    /// Overwrites `view` with a tensor.
    ///
    /// F32 is read bit for bit; F64, F16, BF16, integers and BOOL (0 or 1) are converted, rounded to nearest.
    ///
    /// - Parameters:
    ///   - shape: what the tensor's shape must be.
    ///   - view: as many elements as `shape` has, in the same order.
    /// - Throws: `SafetensorsError`: `tensorMissing`, `shapeMismatch`, `unsupportedDtype`, or the file cannot be read;
    ///   `view` may then be partly overwritten.
    package func read(_ name: String, shape: [Int], into view: Matrix) throws {
        precondition(shape.reduce(1, *) == view.count, "the view does not have the shape's count of elements")
        let tensor = try tensor(name)
        guard tensor.shape == shape else {
            throw SafetensorsError(path: path, tensor: name, .shapeMismatch(expected: shape, found: tensor.shape))
        }
        if view.isContiguous {
            try view.withMutableElements { elements in
                try read(tensor, from: 0, into: &elements)
            }
            return
        }
        let rowsAtOnce = min(max(Self.pieceSize / 4 / max(view.columns, 1), 1), view.rows)
        let piece = Matrix(rows: rowsAtOnce, columns: view.columns)
        for first in stride(from: 0, to: view.rows, by: rowsAtOnce) {
            let part = piece.rows(0..<min(rowsAtOnce, view.rows - first))
            try part.withMutableElements { elements in
                try read(tensor, from: first * view.columns, into: &elements)
            }
            view.rows(first..<first + part.rows).copy(from: part)
        }
    }

    /// Overwrites `view` with rows of a tensor of two dimensions, as `read(_:shape:into:)` does; its width must be the view's.
    ///
    /// - Parameter first: the first row.
    package func read(_ name: String, rowsFrom first: Int, into view: Matrix) throws {
        let tensor = try tensor(name)
        guard tensor.shape.count == 2, tensor.shape[1] == view.columns, first + view.rows <= tensor.shape[0] else {
            throw SafetensorsError(
                path: path, tensor: name,
                .shapeMismatch(expected: [first + view.rows, view.columns], found: tensor.shape))
        }
        precondition(view.isContiguous)
        try view.withMutableElements { try read(tensor, from: first * view.columns, into: &$0) }
    }

    private func tensor(_ name: String) throws -> SafetensorsHeader.Tensor {
        guard let tensor = tensors[name] else { throw SafetensorsError(path: path, tensor: name, .tensorMissing) }
        return tensor
    }

    /// How elements become floats, and their bytes.
    private func conversion(
        of tensor: SafetensorsHeader.Tensor
    ) throws -> (convert: (RawSpan, Int) -> Float, size: Int) {
        guard let dtype = tensor.dtype, let convert = dtype.conversion else {
            throw SafetensorsError(path: path, tensor: tensor.name, .unsupportedDtype(tensor.dtypeName))
        }
        return (convert, dtype.bits / 8)
    }

    /// Overwrites `elements` with those from index `first` on.
    private func read(
        _ tensor: SafetensorsHeader.Tensor, from first: Int, into elements: inout MutableSpan<Float>
    ) throws {
        let (convert, size) = try conversion(of: tensor)
        let start = dataStart + tensor.range.lowerBound + first * size
        if tensor.dtype == .f32 {
            var bytes = unsafe elements.mutableBytes
            return try file.read(into: &bytes, at: start)
        }
        let elementsAtOnce = Self.pieceSize / size
        for done in stride(from: 0, to: elements.count, by: elementsAtOnce) {
            let count = min(elementsAtOnce, elements.count - done)
            let position = start + done * size
            let piece = try file.bytes(in: position..<position + count * size)
            let bytes = unsafe piece.span.bytes
            for index in 0..<count { elements[done + index] = convert(bytes, index * size) }
        }
    }
}

extension OpenFile {
    fileprivate func littleEndianValue(at position: Int) throws -> UInt64 {
        var value: UInt64 = 0
        for byte in try bytes(in: position..<position + 8).reversed() { value = value << 8 | UInt64(byte) }
        return value
    }
}
