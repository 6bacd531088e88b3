/// Why a safetensors file could not be read or trusted.
///
/// `description` is one line that names the file, the tensor if one is concerned, what is wrong and what to do. Names
/// that come out of a file are cleaned of control characters and shortened first.
package struct SafetensorsError: Error, Equatable {
    package enum Reason: Equatable, Sendable {
        // The header of a safetensors file
        case tooShort(bytes: Int)
        case headerTooLong(bytes: UInt64, limit: Int)
        case headerBeyondFile(bytes: UInt64, available: Int)
        case headerSyntax(position: Int, problem: String)
        case duplicateName
        case duplicateField(String)
        case unknownField(String)
        case missingField(String)
        case unsupportedDtype(String)
        case shapeOverflow
        /// Elements of less than a byte that do not fill whole bytes.
        case partOfByte(bits: Int)
        case offsetsReversed(begin: Int, end: Int)
        case offsetsOutsideFile(end: Int, available: Int)
        case offsetsOverlap(begin: Int, previousEnd: Int)
        case offsetsGap(begin: Int, previousEnd: Int)
        case byteCountMismatch(expected: Int, found: Int)
        case trailingBytes(Int)

        // What the reader asked for
        case tensorMissing
        case shapeMismatch(expected: [Int], found: [Int])
    }

    package let path: String
    package let tensor: String?
    package let reason: Reason

    package init(path: String, tensor: String? = nil, _ reason: Reason) {
        self.path = path
        self.tensor = tensor
        self.reason = reason
    }
}
