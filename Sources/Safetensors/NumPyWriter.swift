internal import Host
internal import Tensors

/// Writes NumPy's .npy files (version 1.0 of the format), one tensor in each.
package enum NumPyWriter {
    /// An existing file is overwritten.
    ///
    /// - Throws: `FileError` with the failed call; the file may then be incomplete.
    package static func write(_ tensor: NamedTensor, to path: String) throws {
        var file = try ChecksummedFile(path: path)
        try file.append(header(tensor))
        try file.append(tensor.content)
        _ = try file.finish()
    }

    /// Magic, version, length, and a Python dictionary padded so that the data begin at a multiple of 64 bytes.
    private static func header(_ tensor: NamedTensor) -> [UInt8] {
        let type: String =
            switch tensor.content {
            case .floats: "<f4"
            case .integers: "<i8"
            }
        let shape = tensor.shape.map { "\($0)," }.joined(separator: " ")
        var text = Array("{'descr': '\(type)', 'fortran_order': False, 'shape': (\(shape)), }".utf8)
        while (10 + text.count + 1) % 64 != 0 { text.append(UInt8(ascii: " ")) }
        text.append(UInt8(ascii: "\n"))
        let length = [UInt8(text.count & 255), UInt8(text.count >> 8)]
        return [0x93] + Array("NUMPY".utf8) + [1, 0] + length + text
    }
}
