internal import ImageCodecs
internal import ImageSources

extension ImageSource {
    /// Decodes some images, one after another.
    ///
    /// - Parameters:
    ///   - badImages: what becomes of images that cannot be decoded; nil for none to be skipped.
    ///   - body: gets each in turn, in memory that the next one is decoded into.
    func forEachImage(
        _ images: some Sequence<Int>, skipping badImages: BadImages?, _ body: (PixelView) -> Void
    ) throws(ImageDataError) {
        let buffer = ImageBuffer()
        for index in images {
            do throws(ImageDataError) {
                body(try decode(at: index, into: buffer))
            } catch {
                guard let badImages else { throw error }
                try badImages.note(index, error)
            }
        }
    }
}
