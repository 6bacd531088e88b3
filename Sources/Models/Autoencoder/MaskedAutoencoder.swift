package import Layers
package import Tensors

/// The ViT masked autoencoder of He et al. 2022, with the feature of U-MAE (Zhang, Wang and Wang 2022): an encoder of the
/// patches that a masking keeps, and a decoder that predicts the others.
package final class MaskedAutoencoder: Sendable {
    package let configuration: MaskedAutoencoderConfiguration
    /// What matrix products read.
    package let element: ElementType
    package let parameters: ParameterSet
    package let encoder: VisionTransformer
    let decoder: MaskedDecoder
    /// Of the linear classifier, if there is one.
    private let classes: Int?

    /// - Parameters:
    ///   - classes: adds a linear classifier `fc` on the detached feature, as the public U-MAE code does.
    ///   - keepsPackedWeights: whether weights are packed once per update and stay so, which pays where an update has
    ///     many passes; otherwise they are packed for each product, in memory that all layers share.
    package init(
        _ configuration: MaskedAutoencoderConfiguration, _ element: ElementType, classes: Int? = nil,
        keepsPackedWeights: Bool = false, plan: MemoryPlan
    ) {
        let c = configuration
        var specifications = Self.specifications(c)
        let space = keepsPackedWeights ? nil : Linear.packingSpace(for: specifications, element, plan: plan)
        if let classes {
            specifications += OnlineClassifier.specifications(width: c.encoder.embedDim, classes: classes)
        }
        let parameters = ParameterSet(specifications, plan: plan)
        self.configuration = c
        self.element = element
        self.parameters = parameters
        self.classes = classes
        encoder = VisionTransformer(c.encoder, parameters, element, packing: space, plan: plan)
        decoder = MaskedDecoder(c, parameters, element, packing: space, plan: plan)
    }

    /// Every tensor in forward order.
    package static func specifications(_ c: MaskedAutoencoderConfiguration) -> [ParameterSpecification] {
        VisionTransformer.specifications(c.encoder) + MaskedDecoder.specifications(c)
    }

    /// Contexts, one for each thread, whose scratch memory fits this model.
    ///
    /// - Parameters:
    ///   - images: of this rank in one micro-batch, or views of them.
    ///   - others: bytes that whatever else is computed in these contexts needs.
    package func makeContexts(team: Team, images: Int, others: Int, plan: MemoryPlan) -> [LayerContext] {
        let needs = [
            encoder.scratchBytes(images: images, tokens: 1 + configuration.keptPatches),
            decoder.scratchBytes(images: images),
            classes.map {
                OnlineClassifier.scratchBytes(images: images, width: configuration.encoder.embedDim, classes: $0)
            } ?? 0, others,
        ]
        return LayerContext.makeAll(
            team: team, maximumWidth: max(encoder.maximumWidth, decoder.maximumWidth),
            scratchBytes: needs.reduce(0, max), plan: plan)
    }

    /// Fills the fixed position tables; trained ones are left alone.
    package func computePositions() {
        encoder.computePositions()
        decoder.positions.compute()
    }

    /// Rounds and packs all weights if they stay packed; after every change of them, before the next pass.
    package func packWeights(in context: LayerContext) {
        encoder.packWeights(in: context)
        decoder.packWeights(in: context)
    }

    /// Patches → encoder → latent and features, for the masking that `a` holds.
    ///
    /// - Parameter images: [N, C·H·W], planar and normalised; fewer where `a` has several views of each, as
    ///   `RandomMasking` orders them.
    package func encode(_ images: Matrix, _ a: Activations, in context: LayerContext) {
        encoder.forward(images, a.encoder, in: context)
    }

    /// Latent → decoder → predicted pixels.
    package func decode(_ a: Activations, in context: LayerContext) {
        decoder.forward(a.latent, a.decoder, in: context)
    }

    /// The reconstruction loss (`forward_loss`), with its gradient left in `a` for `backward`.
    ///
    /// - Parameters:
    ///   - images: [N, C·H·W], the batch given to `encode`.
    ///   - globalImages: images, or views of images, that the mean is over, on all ranks and micro-batches.
    /// - Returns: this batch's share of the loss: its sum over masked patches of the mean squared error of a patch,
    ///   divided by the number of masked patches of `globalImages`. Shares of all ranks add up to the loss.
    package func reconstructionLoss(
        _ images: Matrix, _ a: Activations, globalImages: Int, in context: LayerContext
    ) -> Double {
        decoder.reconstructionLoss(images, a.decoder, globalImages: globalImages, in: context)
    }

    /// Forms the gradient of the reconstruction loss, and of what `dFeatures` says of the features, in
    /// `parameters.gradients`; last layer first. What is summed there is added to; gradients of the weights of linear
    /// layers are overwritten where `context` says so.
    ///
    /// - Parameters:
    ///   - dFeatures: gradient with respect to `a.features` [N, D], or nil if no loss depends on them.
    ///   - done: called, by the first member alone, with each range of `parameters.gradients` that no later part of
    ///     this pass touches.
    package func backward(
        _ a: Activations, dFeatures: Matrix?, in context: LayerContext, done: (Range<Int>) -> Void = { _ in }
    ) {
        decoder.backward(a.decoder, into: a.encoder.dLatent, in: context, done: done)
        encoder.backward(a.encoder, addingToLatent: true, dFeatures: dFeatures, in: context, done: done)
    }

    /// The parts of the gradient as backward finishes them, last layer first; the online classifier's, if there is one,
    /// is the first of all. Shares are those of the published model's FLOPs.
    package var gradientStages: [GradientStage] {
        var stages = decoder.gradientStages() + encoder.gradientStages(tokens: 1 + configuration.keptPatches)
        let others = parameters.gradients.columns - decoder.range.upperBound
        if others > 0 { stages.insert((others, 0), at: 0) }
        let total = configuration.forwardFlops.total(configuration)
        return stages.map { GradientStage(elements: $0.elements, share: $0.flops / total) }
    }
}
