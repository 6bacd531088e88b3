package import Layers
package import Models
package import Tensors

/// A vision transformer that sees every patch, and a linear head on its feature: facebookresearch/mae's `models_vit.py`.
///
/// Tensor names are timm's: those of the encoder, `fc_norm` with `Pooling.mean`, `norm` with `Pooling.cls`, and `head`.
package final class VisionTransformerClassifier: Sendable {
    package let configuration: ClassifierConfiguration
    /// What the encoder's matrix products read. The head computes in fp32: it is a thousandth of the work, and the loss is
    /// made of its differences.
    package let element: ElementType
    package let parameters: ParameterSet
    package let encoder: VisionTransformer
    private let head: Linear
    private let headRange: Range<Int>

    /// - Parameter keepsPackedWeights: whether weights are packed once per update and stay so, which pays where an update has
    ///   many passes; otherwise they are packed for each product, in memory that all layers share.
    package init(
        _ configuration: ClassifierConfiguration, _ element: ElementType, keepsPackedWeights: Bool = false,
        plan: MemoryPlan
    ) {
        let encoder = configuration.encoder
        let specifications = Self.specifications(configuration)
        let space =
            keepsPackedWeights
            ? nil : Linear.packingSpace(for: VisionTransformer.specifications(encoder), element, plan: plan)
        let parameters = ParameterSet(specifications, plan: plan)
        self.configuration = configuration
        self.element = element
        self.parameters = parameters
        self.encoder = VisionTransformer(encoder, parameters, element, packing: space, plan: plan)
        head = Linear(parameters, "head", .float32, plan: plan)
        headRange = parameters.range(of: Self.headSpecifications(configuration))
    }

    /// Every tensor in forward order.
    package static func specifications(_ c: ClassifierConfiguration) -> [ParameterSpecification] {
        VisionTransformer.specifications(c.encoder) + headSpecifications(c)
    }

    private static func headSpecifications(_ c: ClassifierConfiguration) -> [ParameterSpecification] {
        [
            // Nearly nothing, so that the first steps have the encoder as it is (`main_finetune.py`).
            ParameterSpecification("head.weight", [c.classes, c.embedDim], .normal(2e-5)),
            ParameterSpecification("head.bias", [c.classes], .zeros),
        ]
    }

    /// Contexts, one for each thread, whose scratch memory fits this model.
    ///
    /// - Parameter images: of this rank in one pass.
    package func makeContexts(team: Team, images: Int, plan: MemoryPlan) -> [LayerContext] {
        let (c, encoder) = (configuration, encoder)
        let needs = [
            encoder.scratchBytes(images: images, tokens: 1 + encoder.configuration.patches),
            Linear.scratchBytes(.float32, rows: images, inFeatures: c.embedDim, outFeatures: c.classes),
        ]
        return LayerContext.makeAll(
            team: team, maximumWidth: max(encoder.maximumWidth, c.classes), scratchBytes: needs.reduce(0, max),
            plan: plan)
    }

    /// Rounds and packs all weights that stay packed; after every change of them, before the next pass.
    package func packWeights(in context: LayerContext) {
        encoder.packWeights(in: context)
        head.pack(in: context)
    }

    /// Patches → tokens → feature → `a.logits`.
    ///
    /// - Parameter images: [N, C·H·W], planar and normalised.
    package func forward(_ images: Matrix, _ a: Activations, in context: LayerContext) {
        encoder.forward(images, a.encoder, in: context)
        head.forward(Operand(a.encoder.features), into: a.logits, in: context)
    }

    /// Forms the gradient of all parameters from that of the logits, which stands in their place; last layer first. What is
    /// summed is added to; gradients of the weights of linear layers are overwritten where `context` says so.
    ///
    /// - Parameter done: called, by the first member alone, with each range of `parameters.gradients` that no later part of
    ///   this pass touches.
    package func backward(_ a: Activations, in context: LayerContext, done: (Range<Int>) -> Void = { _ in }) {
        head.weightBackward(Operand(a.logits), x: Operand(a.encoder.features), in: context)
        head.inputBackward(Operand(a.logits), into: a.dFeatures, in: context)
        if context.member.isFirst { done(headRange) }
        encoder.backward(a.encoder, addingToLatent: false, dFeatures: a.dFeatures, in: context, done: done)
    }
}

extension VisionTransformerClassifier {
    /// Everything that one forward and backward pass over N images writes. Planned once, used for every step.
    package struct Activations: Sendable {
        package let images: Int
        package let encoder: VisionTransformer.Activations
        /// [N, C]; the loss puts their gradient in their place.
        package let logits: Matrix
        let dFeatures: Matrix

        /// - Parameter dropPath: the share of images whose branches are dropped in the last block.
        package init(
            _ model: VisionTransformerClassifier, images: Int, dropPath: Double = 0,
            _ options: PassOptions = PassOptions(), plan: MemoryPlan
        ) {
            let c = model.configuration
            self.images = images
            var options = options
            options.onlyClassToken = model.encoder.configuration.feature != .pooled
            encoder = VisionTransformer.Activations(
                model.encoder, images: images, .all, dropPath: dropPath, options, plan: plan)
            logits = plan.matrix(.activations, "head", rows: images, columns: c.classes)
            dFeatures = plan.matrix(.workspace, "dFeatures", rows: images, columns: c.embedDim)
        }
    }
}
