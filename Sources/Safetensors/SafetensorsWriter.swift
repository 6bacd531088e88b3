internal import Tensors
package import Host

#if !_endian(little)
    #error("elements go between memory and files as they are, which takes a little-endian processor")
#endif

/// Writes safetensors files.
package enum SafetensorsWriter {
    /// Writes all tensors in the order given, and returns when they are on the device.
    ///
    /// An existing file is overwritten. Elements go from their views to the file without a copy of the whole.
    ///
    /// - Throws: `FileError` with the failed call; the file may then be incomplete.
    @discardableResult
    package static func write(
        _ tensors: [NamedTensor], metadata: [String: String] = [:], to path: String
    ) throws -> FileRecord {
        let names = Set(tensors.map(\.name))
        precondition(names.count == tensors.count, "two tensors of the same name")
        precondition(!names.contains(SafetensorsHeader.metadataName), "a tensor with a reserved name")
        var file = try ChecksummedFile(path: path)
        try file.append(header(tensors, metadata))
        for tensor in tensors {
            try file.append(tensor.content)
        }
        return try file.finish()
    }

    /// Length and JSON, padded so that the data begin at a multiple of 8 bytes.
    private static func header(_ tensors: [NamedTensor], _ metadata: [String: String]) -> [UInt8] {
        var members: [String] = []
        if !metadata.isEmpty {
            let strings = metadata.sorted { $0.key < $1.key }.map { "\(quoted($0.key)):\(quoted($0.value))" }
            members.append("\"\(SafetensorsHeader.metadataName)\":{\(strings.joined(separator: ","))}")
        }
        var position = 0
        for tensor in tensors {
            let end = position + tensor.byteCount
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            members.append(
                "\(quoted(tensor.name)):{\"dtype\":\"\(tensor.dtype.rawValue)\",\"shape\":[\(shape)],\"data_offsets\":[\(position),\(end)]}"
            )
            position = end
        }
        var text = Array("{\(members.joined(separator: ","))}".utf8)
        while text.count % 8 != 0 { text.append(UInt8(ascii: " ")) }
        precondition(text.count <= SafetensorsHeader.maximumLength, "too many tensors for a safetensors header")
        let length = (0..<8).map { UInt8(truncatingIfNeeded: text.count >> ($0 * 8)) }
        return length + text
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\u{0}"..<"\u{10}": result += "\\u000\(String(scalar.value, radix: 16))"
            case "\u{10}"..<"\u{20}": result += "\\u001\(String(scalar.value - 16, radix: 16))"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

extension ChecksummedFile {
    /// The elements as they are in memory.
    mutating func append(_ content: NamedTensor.Content) throws {
        switch content {
        case .integers(let values): try unsafe append(values.span.bytes)
        case .floats(let values) where values.isContiguous: try append(values)
        case .floats(let values): for row in 0..<values.rows { try append(values.rows(row..<row + 1)) }
        }
    }

    private mutating func append(_ values: Matrix) throws {
        try values.withElements { elements in
            try unsafe append(elements.bytes)
        }
    }
}
