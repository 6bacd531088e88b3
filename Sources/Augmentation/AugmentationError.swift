package import ImageCodecs

/// What can be wrong with how images are to be changed; each says what to do in one line.
package enum AugmentationError: Error, Equatable, CustomStringConvertible {
    /// A policy of RandAugment with a part that is none.
    case badPolicy(String, part: String)
    /// Operations on bytes, for images that have others than one or three channels.
    case unsupportedChannels(Int, operation: String)
    /// Operations on bytes, for images of floats.
    case notBytes(operation: String)
    /// No side of a patch lies in the range.
    case emptyPatch(ClosedRange<Double>, ImageSize)

    package var description: String {
        switch self {
        case .badPolicy(let text, let part):
            "\(text): \"\(part)\" is not understood; give rand-mM-nN-mstdS-incB with a magnitude M from "
                + "0 to 10, N operations, a deviation S of the magnitude and B = 0 or 1, such as rand-m9-mstd0.5-inc1"
        case .unsupportedChannels(let channels, let operation):
            "\(operation) changes images of one or three channels, and these have \(channels); train without it"
        case .notBytes(let operation):
            "\(operation) changes images of bytes, and these are floats; train without it"
        case .emptyPatch(let range, let size):
            "no patch of \(range.lowerBound) to \(range.upperBound) of \(size.height) × \(size.width) pixels has whole sides; "
                + "give a wider range"
        }
    }
}
