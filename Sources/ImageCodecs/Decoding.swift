/// How the bytes of an image become pixels, where there is a choice.
package struct Decoding: Hashable, Sendable {
    /// What becomes of the orientation that EXIF notes.
    package enum Exif: String, Codable, CaseIterable, Sendable {
        /// Pixels stay as they are stored, as with Pillow's `Image.open` and in torchvision.
        case ignore
        /// They are turned, as by Pillow's `ImageOps.exif_transpose`.
        case apply
    }

    /// How much of its pixels counts.
    package enum Fidelity: String, Codable, CaseIterable, Sendable {
        /// All of them are decoded.
        case exact
        /// A JPEG image may be scaled down meanwhile, as with Pillow's `Image.draft`, where it will be resized to less than
        /// half.
        case fast
    }

    package var exif = Exif.ignore
    package var fidelity = Fidelity.exact

    package init() {}
}
