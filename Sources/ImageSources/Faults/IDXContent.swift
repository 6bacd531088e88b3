/// What an IDX file is for.
package enum IDXContent: Equatable, Sendable {
    case images, labels

    /// Whether a file of bytes of so many dimensions is of the other content.
    func isLikely(exchanged dimensions: Int) -> Bool {
        self == .images ? dimensions == 1 : dimensions == 3 || dimensions == 4
    }

    var description: String {
        switch self {
        case .images: "images have 3 or 4 dimensions of bytes, 16-bit integers or floats"
        case .labels: "labels have 1 dimension of bytes"
        }
    }
}

/// What the elements of an IDX file are: the third byte of its magic number.
package enum IDXElementType: UInt8, Sendable {
    case unsignedBytes = 0x08
    case signedBytes = 0x09
    case int16 = 0x0B
    case int32 = 0x0C
    case float32 = 0x0D
    case float64 = 0x0E

    var name: String {
        switch self {
        case .unsignedBytes: "bytes"
        case .signedBytes: "signed bytes"
        case .int16: "16-bit integers"
        case .int32: "32-bit integers"
        case .float32: "32-bit floats"
        case .float64: "64-bit floats"
        }
    }
}
