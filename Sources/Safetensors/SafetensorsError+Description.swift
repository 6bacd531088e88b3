internal import Host

extension SafetensorsError: CustomStringConvertible {
    package var description: String {
        let subject = tensor.map { ": tensor '\($0.printable(limit: 120))'" } ?? ""
        // A path may be long; what is wrong with it must not be cut off behind it.
        return "\(path.printable(limit: 1_000))\("\(subject): \(reason.text)".printable(limit: 1_000))"
    }
}

extension SafetensorsError.Reason {
    fileprivate var text: String {
        switch self {
        case .tooShort(let bytes): "has \(bytes) bytes; a safetensors file has at least 10"
        case .headerTooLong(let bytes, let limit):
            "claims a header of \(bytes) bytes, limit \(limit); this is not a safetensors file"
        case .headerBeyondFile(let bytes, let available):
            "claims a header of \(bytes) bytes where \(available) are left; it is truncated or not a safetensors file"
        case .headerSyntax(let position, let problem): "header is malformed at its byte \(position): \(problem)"
        case .duplicateName: "the name occurs twice in the header"
        case .duplicateField(let name): "field '\(printable(name))' occurs twice in the header"
        case .unknownField(let name): "header has the unknown field '\(printable(name))'"
        case .missingField(let name): "header lacks the field '\(name)'"
        case .unsupportedDtype(let name):
            "dtype '\(printable(name))' cannot be read as floats; convert the tensor to F32"
        case .shapeOverflow: "the product of its shape overflows"
        case .partOfByte(let bits): "its elements take \(bits) bits, which are not whole bytes"
        case .offsetsReversed(let begin, let end): "data_offsets [\(begin), \(end)] are reversed"
        case .offsetsOutsideFile(let end, let available):
            "data end at byte \(end) of a data section of \(available); the file is truncated"
        case .offsetsOverlap(let begin, let end): "data begin at byte \(begin), inside a tensor that ends at \(end)"
        case .offsetsGap(let begin, let end): "data begin at byte \(begin), after a gap from \(end)"
        case .byteCountMismatch(let expected, let found):
            "data_offsets span \(found) bytes where dtype and shape need \(expected)"
        case .trailingBytes(let count): "has \(count) bytes after the last tensor"

        case .tensorMissing: "is not in the file; was it written for another model?"
        case .shapeMismatch(let expected, let found):
            "has shape \(found), expected \(expected); was it written for another model?"
        }
    }

    private func printable(_ name: String) -> String { name.printable(limit: 60) }
}
