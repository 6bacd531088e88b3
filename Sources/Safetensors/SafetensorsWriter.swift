internal import Tensors
package import Host

#if !_endian(little)
    #error("F32 elements go between memory and files as they are, which takes a little-endian processor")
#endif

/// Writes safetensors files.
package enum SafetensorsWriter {
    /// Writes all tensors as F32, in the order given, and returns when they are on the device.
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
        for tensor in tensors { try append(tensor.values, to: &file) }
        return try file.finish()
    }

    private static func append(_ values: Matrix, to file: inout ChecksummedFile) throws {
        if values.isContiguous {
            return try values.withElements { elements in
                try unsafe file.append(elements.bytes)
            }
        }
        for row in 0..<values.rows {
            try values.rows(row..<row + 1).withElements { elements in
                try unsafe file.append(elements.bytes)
            }
        }
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
            let end = position + tensor.values.byteCount
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            members.append(
                "\(quoted(tensor.name)):{\"dtype\":\"F32\",\"shape\":[\(shape)],\"data_offsets\":[\(position),\(end)]}")
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
