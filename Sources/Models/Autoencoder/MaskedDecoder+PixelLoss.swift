internal import CVectorKernels
internal import Layers
internal import Tensors

extension MaskedDecoder {
    /// See `MaskedAutoencoder.reconstructionLoss`.
    func reconstructionLoss(
        _ images: Matrix, _ a: Activations, globalImages: Int, in context: LayerContext
    ) -> Double {
        let encoder = configuration.encoder
        let masked = a.masking.idsMask.columns
        let maskedPatches = Double(globalImages * masked)
        context.forEachChunk(of: a.images) { range in
            for image in range {
                let target = a.targets.rows(image * masked..<(image + 1) * masked)
                encoder.gather(
                    a.masking.idsMask.rows(image..<image + 1), of: images.cyclicRow(image), into: target,
                    .channelsLast)
                // Masked tokens are the last.
                let end = (image + 1) * a.predicted.count
                a.dPredictions.rows(end - a.predicted.count..<end - masked).clear()
                let prediction = a.predictions.rows(end - masked..<end)
                let gradient = a.dPredictions.rows(end - masked..<end)
                a.imageLosses[0, image] = unsafe umae_pixel_loss(
                    umae_type(element.kernelCode), prediction.pointer, prediction.stride, target.pointer,
                    gradient.pointer, gradient.stride, masked, encoder.patchValues, configuration.normPixLoss,
                    Float(1 / maskedPatches))
            }
        }
        // Every member adds up all images, in one order.
        var total = 0.0
        for image in 0..<a.images { total += a.imageLosses[0, image] }
        return total / maskedPatches
    }
}
