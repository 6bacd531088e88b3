/// What can be wrong with an array of images or labels; each says what to do, in Python where that makes the file.
package enum ArrayFault: Error, Equatable, CustomStringConvertible {
    /// The first bytes are not those of a .npy file.
    case notNumPy
    case unknownVersion(Int)
    case badHeader(String)
    case objects
    case structured
    case fortranOrder
    /// Elements that images do not have.
    case imageElement(String, known: [String])
    /// Elements that labels do not have.
    case labelElement(String)
    case dimensions([Int])
    case tooManyChannels([Int], most: Int)
    case ambiguousChannels([Int])
    case labelDimensions([Int])
    /// Sizes that are zero, or whose product cannot be counted.
    case impossibleShape([Int])
    case labelOutOfRange(index: Int, label: String)
    case notFinite(image: Int)

    package var description: String {
        switch self {
        case .notNumPy: "is no .npy file; write it with numpy.save"
        case .unknownVersion(let version): "is a .npy file of version \(version); versions 1 to 3 are read"
        case .badHeader(let reason): "its .npy header \(reason); the file is damaged, write it again"
        case .objects: "holds Python objects (pickles), which are not read; save an array of numbers of one shape"
        case .structured: "holds records of several fields; save an array of numbers"
        case .fortranOrder: "is in Fortran order; save numpy.ascontiguousarray(array)"
        case .imageElement(let name, let known):
            "holds \(name); images are \(Self.list(known)): save array.astype(\"float32\")"
        case .labelElement(let name):
            "holds \(name); labels are integers: save array.astype(\"int64\"), or remove the file"
        case .dimensions(let shape):
            "has the shape \(Self.text(shape)); images are [N, height, width], [N, channels, height, width] or "
                + "[N, height, width, channels]"
        case .tooManyChannels(let shape, let most):
            "has the shape \(Self.text(shape)), in which neither the second nor the last is a number of channels, 1 to "
                + "\(most)"
        case .ambiguousChannels(let shape):
            "has the shape \(Self.text(shape)), in which channels could be the second or the last; crop the images so "
                + "that they are square, or fewer channels than pixels on each side"
        case .labelDimensions(let shape): "has the shape \(Self.text(shape)); labels are [N]"
        case .impossibleShape(let shape):
            "declares the shape \(Self.text(shape)), which no file can hold; write it again"
        case .labelOutOfRange(let index, let label):
            "label \(index) is \(label); labels are 0 to \(Self.largestLabel)"
        case .notFinite(let image): "image \(image) has a pixel that is infinite or not a number"
        }
    }

    /// A classifier has an output for each label up to the largest.
    package static var largestLabel: Int { 65_535 }

    private static func text(_ shape: [Int]) -> String { "[\(shape.map(String.init).joined(separator: ", "))]" }

    private static func list(_ names: [String]) -> String {
        names.dropLast().joined(separator: ", ") + " or " + (names.last ?? "")
    }
}
