internal import Augmentation
package import ImageCodecs
package import ImageFiles
package import ImageSources
internal import Tensors

/// What becomes of images when they are packed.
package struct PackRecipe: Sendable {
    /// Pixels that the shorter side is scaled to, where it is longer; nil leaves images as they are.
    package let shorterSide: Int?
    /// Of images that are scaled; raw, of all of them.
    package let encoding: ImageEncoding

    package init(shorterSide: Int?, encoding: ImageEncoding) {
        self.shorterSide = shorterSide
        self.encoding = encoding
    }

    /// Whether images are looked at, and not only copied.
    var decodes: Bool { shorterSide != nil || encoding == .raw }

    /// The size that an image gets; nil if it stays.
    func size(of image: ImageSize) -> ImageSize? {
        guard let side = shorterSide, min(image.height, image.width) > side else { return nil }
        return image.withShorterSide(side)
    }
}

/// Makes the bytes that a pack has of images. One thread at a time.
package final class PackWorker {
    private let source: EncodedImages
    private let recipe: PackRecipe
    private let buffer = ImageBuffer()
    private let resampler = BicubicResampler()
    /// Of the images that were asked for last.
    package private(set) var results: [Result<Packed, ImageDataError>] = []

    package struct Packed: Sendable {
        package let bytes: [UInt8]
        /// Why the image is as it was and not scaled.
        package let refusal: ImageDataError?
    }

    package init(_ source: EncodedImages, _ recipe: PackRecipe) {
        self.source = source
        self.recipe = recipe
    }

    package func prepare(_ images: Range<Int>) {
        results.removeAll(keepingCapacity: true)
        for image in images {
            do throws(ImageDataError) {
                results.append(.success(try packed(image)))
            } catch {
                results.append(.failure(error))
            }
        }
    }

    /// An image that cannot be decoded is packed as it is, so that a run on the pack meets what one on the source would.
    private func packed(_ image: Int) throws(ImageDataError) -> Packed {
        let stored = try source.encoded(at: image, into: buffer)
        let original = stored.withElements { span in unsafe span.withUnsafeBufferPointer { unsafe Array($0) } }
        guard recipe.decodes else { return Packed(bytes: original, refusal: nil) }
        do throws(ImageCodecError) {
            let pixels = try buffer.decoder.decode(original.span, source.decoding, part: \.whole, into: buffer)
            let size = recipe.size(of: pixels.size)
            guard size != nil || recipe.encoding == .raw else { return Packed(bytes: original, refusal: nil) }
            let scaled = resampler.resample(pixels, to: size ?? pixels.size)
            return Packed(bytes: try recipe.encoding.encode(scaled), refusal: nil)
        } catch {
            return Packed(bytes: original, refusal: .badImage(path: source.path(of: image), reason: error))
        }
    }
}
