package import Tensors

extension MaskedAutoencoder {
    /// Everything that one forward and backward pass over N images, or views of fewer images, writes. Planned once, used
    /// for every step.
    package struct Activations: Sendable {
        package let images: Int
        package let masking: RandomMasking
        let encoder: VisionTransformer.Activations
        let decoder: MaskedDecoder.Activations

        package init(
            _ model: MaskedAutoencoder, images: Int, _ options: PassOptions = PassOptions(), plan: MemoryPlan
        ) {
            self.images = images
            masking = RandomMasking(images: images, configuration: model.configuration, plan: plan)
            encoder = VisionTransformer.Activations(model.encoder, images: images, .kept(masking), options, plan: plan)
            decoder = MaskedDecoder.Activations(
                model.decoder, latent: encoder.latent, masking, options, plan: plan)
        }

        /// Encoder output after the final norm [N·(1 + K), D].
        package var latent: Matrix { encoder.latent }
        /// The image feature before L2 normalisation [N, D].
        package var features: Matrix { encoder.features }

        /// One image's part of the last reconstruction loss: the mean squared error over its masked patches.
        package func meanLoss(ofImage image: Int) -> Double {
            decoder.imageLosses[0, image] / Double(masking.idsMask.columns)
        }

        /// Predicted pixels of every patch in its place, copied out as [N·L, P]; needs `predictsAll`.
        package func patchPredictions() -> Matrix { decoder.patchPredictions() }

        /// The results of the stages of the forward pass by name, in order; those of blocks only as far as `keptStages` says.
        package var stages: [(name: String, values: Matrix)] { encoder.stages + decoder.stages }
    }
}
