internal import CVectorKernels
internal import Tensors

/// Which patches of each image an encoder sees, and in which order.
package enum PatchSelection: Sendable {
    /// Every patch, in raster order.
    case all
    /// Those that a masking keeps, in ascending order of its noise.
    case kept(RandomMasking)

    /// K, of each image.
    func count(_ configuration: VisionTransformerConfiguration) -> Int {
        switch self {
        case .all: configuration.patches
        case .kept(let masking): masking.keptPatches
        }
    }

    /// [1, K]: the patches of an image; nil for all of them in raster order.
    func patches(of image: Int) -> IndexMatrix? {
        switch self {
        case .all: nil
        case .kept(let masking): masking.idsKeep.rows(image..<image + 1)
        }
    }

    /// The row of a position table that belongs to a token of an image, the class token being the first.
    func position(ofToken token: Int, of image: Int) -> Int {
        switch self {
        case .all: token
        case .kept(let masking): masking.position(ofToken: token, of: image)
        }
    }
}

/// The order of the values of a patch.
enum PatchLayout {
    /// [C, p, p], as a convolution's kernel has them.
    case channelsFirst
    /// [p, p, C], as `patchify` has them.
    case channelsLast
}

extension VisionTransformerConfiguration {
    /// Copies patches of `image` [1, C·H·W], planar, to rows of `patches` [K, P].
    ///
    /// - Parameter selected: [1, K]; nil for all in raster order.
    func gather(_ selected: IndexMatrix?, of image: Matrix, into patches: Matrix, _ layout: PatchLayout) {
        precondition(image.columns == imageValues && patches.rows == selected?.columns ?? self.patches)
        unsafe umae_gather_patches(
            image.pointer, channels, imageHeight, imageWidth, patchSize, selected?.pointer, patches.rows,
            layout == .channelsLast, patches.pointer, patches.stride)
    }
}
