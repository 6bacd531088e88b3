/// How the bytes of an image become pixels, where there is a choice.
package struct Decoding: Hashable, Sendable {
    /// What becomes of the orientation that EXIF notes.
    package enum Exif: String, Codable, CaseIterable, Sendable {
        /// Pixels stay as they are stored, as with Pillow's `Image.open` and in torchvision.
        case ignore
        /// They are turned, as by Pillow's `ImageOps.exif_transpose`.
        case apply
    }

    package var exif = Exif.ignore

    package init() {}
}
