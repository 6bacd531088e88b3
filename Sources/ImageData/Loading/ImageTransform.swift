package import Augmentation
internal import CVectorKernels
package import ImageCodecs
package import ImageSources
package import Tensors

/// Memory for preparing images one after another, so that none is allocated per image. One thread at a time.
package final class AugmentationWorkspace {
    fileprivate let decoded = ImageBuffer()
    fileprivate let resampler = BicubicResampler()
    fileprivate let canvas = ByteCanvas()

    package init() {}
}

/// Turns the pixels of an image into the row of a batch: crop, resize, flip, change bytes, normalise, erase.
package struct ImageTransform: Sendable {
    package let channels: Int
    package let size: ImageSize
    package let augmentation: TrainingAugmentation
    private let statistics: ChannelStatistics
    /// The mean in bytes, which is what lies around an image.
    private let fill: [UInt8]
    /// (byte / 255 − mean) / deviation for every byte; [channels, 256].
    private let normalized: [Float]

    /// - Parameters:
    ///   - size: of the result.
    ///   - statistics: of the training images, in evaluation too.
    ///   - augmentation: what is taken of an image.
    package init(size: ImageSize, statistics: ChannelStatistics, augmentation: ImageAugmentation) {
        self.init(size: size, statistics: statistics, augmentation: TrainingAugmentation(augmentation))
    }

    /// - Parameter augmentation: its operations on bytes have been checked against the images.
    package init(size: ImageSize, statistics: ChannelStatistics, augmentation: TrainingAugmentation) {
        precondition(size.height > 0 && size.width > 0)
        self.channels = statistics.mean.count
        self.size = size
        self.augmentation = augmentation
        self.statistics = statistics
        // As timm's `transforms_imagenet_train`.
        fill = statistics.mean.map { UInt8(clamping: Int((255 * Double($0)).rounded(.toNearestOrEven))) }
        // Float steps in this order are those of torchvision's ToTensor and Normalize.
        normalized = zip(statistics.mean, statistics.standardDeviation).flatMap { mean, deviation in
            (0..<256).map { (Float($0) / 255 - mean) / deviation }
        }
    }

    /// Elements of a prepared image: channels · height · width.
    package var elementCount: Int { channels * size.pixels }

    /// Prepares one image; the result depends on the arguments alone, not on the rank or on what was prepared before.
    ///
    /// - Parameter row: [1, channels · height · width], planar; overwritten.
    package func prepare(
        _ source: any ImageSource, index: Int, seed: UInt64, epoch: Int, workspace: AugmentationWorkspace,
        into row: Matrix
    ) throws(ImageDataError) {
        precondition(source.channels == channels && row.rows == 1 && row.columns == elementCount)
        let draw = ImageAugmentation.Draw(seed: seed, epoch: epoch, sample: index)
        var (whole, part) = (size, size.whole)
        let decoded = try source.decode(
            at: index,
            request: { imageSize in
                let box = augmentation.part.box(in: imageSize, draw)
                (whole, part) = augmentation.part.resizing(box.size, to: size)
                return RequestedPart(box, resizedTo: whole)
            }, into: workspace.decoded)
        let resized = workspace.resampler.resample(decoded, to: whole)
        let flips = augmentation.part.flips(draw)
        if augmentation.bytes == .none {
            normalize(resized.part(part), flip: flips, into: row)
        } else {
            workspace.canvas.take(resized.part(part), mirrored: flips)
            augmentation.bytes.apply(to: workspace.canvas, draw, fill: fill)
            normalize(workspace.canvas.view, flip: false, into: row)
        }
        augmentation.erasing?.erase(row, size, draw)
    }

    /// From the right end of each line if `flip`.
    private func normalize(_ pixels: PixelView, flip: Bool, into row: Matrix) {
        switch pixels.layout {
        case .rgbx:
            for line in 0..<size.height {
                unsafe umae_normalize_pixels(
                    pixels.base + line * pixels.rowBytes, size.width, statistics.mean, statistics.standardDeviation,
                    flip, row.pointer + line * size.width, size.pixels)
            }
        case .planar(let planeBytes):
            for channel in 0..<channels {
                unsafe lookUp(
                    pixels.base + channel * planeBytes, rowBytes: pixels.rowBytes, table: channel * 256, flip: flip,
                    into: row.pointer + channel * size.pixels)
            }
        case .floatPlanes:
            for channel in 0..<channels {
                for line in 0..<size.height {
                    unsafe normalize(
                        pixels.floats(row: line, channel: channel), channel: channel, flip: flip,
                        into: row.pointer + (channel * size.height + line) * size.width)
                }
            }
        }
    }

    /// One line of floats.
    private func normalize(
        _ source: UnsafePointer<Float>, channel: Int, flip: Bool, into target: UnsafeMutablePointer<Float>
    ) {
        let (mean, deviation) = (statistics.mean[channel], statistics.standardDeviation[channel])
        let width = size.width
        if flip {
            for x in 0..<width { unsafe target[width - 1 - x] = (source[x] - mean) / deviation }
        } else {
            for x in 0..<width { unsafe target[x] = (source[x] - mean) / deviation }
        }
    }

    private func lookUp(
        _ plane: UnsafePointer<UInt8>, rowBytes: Int, table first: Int, flip: Bool,
        into target: UnsafeMutablePointer<Float>
    ) {
        let width = size.width
        unsafe normalized.withUnsafeBufferPointer { table in
            for line in 0..<size.height {
                let source = unsafe plane + line * rowBytes
                let target = unsafe target + line * width
                if flip {
                    for x in 0..<width { unsafe target[width - 1 - x] = table[first + Int(source[x])] }
                } else {
                    for x in 0..<width { unsafe target[x] = table[first + Int(source[x])] }
                }
            }
        }
    }
}
