package import Layers
package import Tensors

/// The ViT masked autoencoder of He et al. 2022, with the feature of U-MAE (Zhang, Wang and Wang 2022).
///
/// Tensor names are facebookresearch/mae's. In the comments of its parts: N images, L patches, K kept, D width, E
/// decoder width, P = p·p·C values of a patch.
package final class MaskedAutoencoder: Sendable {
    package let configuration: MaskedAutoencoderConfiguration
    /// What matrix products read.
    package let element: ElementType
    package let parameters: ParameterSet

    let patchEmbed: Linear
    let clsToken: Parameter
    /// [1 + L, D]
    let posEmbed: Parameter
    let blocks: [TransformerBlock]
    let norm: LayerNorm
    /// Only for the pooled feature.
    let fcNorm: LayerNorm?
    let decoderEmbed: Linear
    let maskToken: Parameter
    /// [1 + L, E]
    let decoderPosEmbed: Parameter
    let decoderBlocks: [TransformerBlock]
    let decoderNorm: LayerNorm
    let decoderPred: Linear
    /// Where in the gradient buffer the parts begin that backward finishes one after another.
    let stageStarts: (blocks: [BlockStart], decoderEmbed: Int, decoderBlocks: [BlockStart], end: Int)

    /// Of a block's gradients, those of what follows attention are finished first.
    struct BlockStart {
        let all: Int
        let afterAttention: Int
    }

    private let linearLayers: [Linear]
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
        if let classes { specifications += OnlineClassifier.specifications(width: c.embedDim, classes: classes) }
        let parameters = ParameterSet(specifications, plan: plan)
        self.configuration = c
        self.element = element
        self.parameters = parameters
        self.classes = classes
        let space = keepsPackedWeights ? nil : Linear.packingSpace(for: Self.specifications(c), element, plan: plan)
        func linear(_ name: String, hasInputGradient: Bool = true) -> Linear {
            Linear(parameters, name, element, hasInputGradient: hasInputGradient, packing: space, plan: plan)
        }
        let (encoderShape, decoderShape) = (c.encoder.blockShape, c.decoderShape)
        patchEmbed = linear("patch_embed.proj", hasInputGradient: false)
        clsToken = parameters["cls_token"]
        posEmbed = parameters["pos_embed"].asTable(rows: 1 + c.patches)
        blocks = (0..<c.depth).map {
            TransformerBlock(parameters, "blocks.\($0)", encoderShape, element, packing: space, plan: plan)
        }
        norm = LayerNorm(parameters, "norm")
        fcNorm = c.feature == .pooled ? LayerNorm(parameters, "fc_norm") : nil
        decoderEmbed = linear("decoder_embed")
        maskToken = parameters["mask_token"]
        decoderPosEmbed = parameters["decoder_pos_embed"].asTable(rows: 1 + c.patches)
        decoderBlocks = (0..<c.decoderDepth).map {
            TransformerBlock(parameters, "decoder_blocks.\($0)", decoderShape, element, packing: space, plan: plan)
        }
        decoderNorm = LayerNorm(parameters, "decoder_norm")
        decoderPred = linear("decoder_pred")
        linearLayers =
            [patchEmbed, decoderEmbed, decoderPred] + (blocks + decoderBlocks).flatMap { $0.linearLayers }
        func start(of block: String) -> BlockStart {
            BlockStart(
                all: parameters.range(of: "\(block).norm1.weight").lowerBound,
                afterAttention: parameters.range(of: "\(block).attn.proj.weight").lowerBound)
        }
        stageStarts = (
            (0..<c.depth).map { start(of: "blocks.\($0)") },
            parameters.range(of: "decoder_embed.weight").lowerBound,
            (0..<c.decoderDepth).map { start(of: "decoder_blocks.\($0)") },
            parameters.range(of: "decoder_pred.bias").upperBound
        )
    }

    /// Every tensor in forward order.
    package static func specifications(_ c: MaskedAutoencoderConfiguration) -> [ParameterSpecification] {
        let learned = c.positions == .learned
        func positions(_ name: String, _ width: Int) -> ParameterSpecification {
            ParameterSpecification(
                name, [1, 1 + c.patches, width], learned ? .normal(0.02) : .computed, isTrainable: learned)
        }
        var all = [
            ParameterSpecification(
                "patch_embed.proj.weight", [c.embedDim, c.channels, c.patchSize, c.patchSize], .xavierUniform),
            ParameterSpecification("patch_embed.proj.bias", [c.embedDim], .zeros),
            ParameterSpecification("cls_token", [1, 1, c.embedDim], .normal(0.02)),
            positions("pos_embed", c.embedDim),
        ]
        for index in 0..<c.depth {
            all += TransformerBlock.specifications(
                "blocks.\(index)", width: c.embedDim, hiddenWidth: c.hiddenWidth)
        }
        all += LayerNorm.specifications("norm", width: c.embedDim)
        if c.feature == .pooled { all += LayerNorm.specifications("fc_norm", width: c.embedDim) }
        all += Linear.specifications("decoder_embed", inFeatures: c.embedDim, outFeatures: c.decoderEmbedDim)
        all.append(ParameterSpecification("mask_token", [1, 1, c.decoderEmbedDim], .normal(0.02)))
        all.append(positions("decoder_pos_embed", c.decoderEmbedDim))
        for index in 0..<c.decoderDepth {
            all += TransformerBlock.specifications(
                "decoder_blocks.\(index)", width: c.decoderEmbedDim, hiddenWidth: c.decoderHiddenWidth)
        }
        all += LayerNorm.specifications("decoder_norm", width: c.decoderEmbedDim)
        all += Linear.specifications("decoder_pred", inFeatures: c.decoderEmbedDim, outFeatures: c.patchValues)
        return all
    }

    /// Contexts, one for each thread, whose scratch memory fits this model.
    ///
    /// - Parameters:
    ///   - images: of this rank in one micro-batch.
    ///   - others: bytes that whatever else is computed in these contexts needs.
    package func makeContexts(team: Team, images: Int, others: Int, plan: MemoryPlan) -> [LayerContext] {
        let c = configuration
        let encoderRows = images * (1 + c.keptPatches)
        let decoderRows = images * (1 + c.patches)
        func linear(_ rows: Int, _ inFeatures: Int, _ outFeatures: Int) -> Int {
            Linear.scratchBytes(element, rows: rows, inFeatures: inFeatures, outFeatures: outFeatures)
        }
        let needs = [
            linear(encoderRows, c.patchValues, c.embedDim), linear(encoderRows, c.embedDim, c.decoderEmbedDim),
            linear(decoderRows, c.decoderEmbedDim, c.patchValues),
            blocks.first?.scratchBytes(element, tokens: 1 + c.keptPatches, rows: encoderRows) ?? 0,
            // The first block may be given more distinct tokens than there are tokens.
            decoderBlocks.first?.scratchBytes(
                element, tokens: 1 + c.patches, rows: max(decoderRows, encoderRows + c.patches)) ?? 0,
            3 * c.decoderEmbedDim * MemoryLayout<Float>.stride,
            classes.map { OnlineClassifier.scratchBytes(images: images, width: c.encoder.embedDim, classes: $0) } ?? 0,
            others,
        ]
        return LayerContext.makeAll(
            team: team,
            maximumWidth: max(
                3 * c.embedDim, c.hiddenWidth, 3 * c.decoderEmbedDim, c.decoderHiddenWidth, c.patchValues),
            scratchBytes: needs.reduce(0, max), plan: plan)
    }

    /// Rounds and packs all weights if they stay packed; after every change of them, before the next pass.
    package func packWeights(in context: LayerContext) {
        for layer in linearLayers { layer.pack(in: context) }
    }

    /// Prepares the gradients for the first micro-batch of an update.
    package func clearSummedGradients() { parameters.clearSummedGradients() }

    /// Fills the fixed position tables; trained ones are left alone.
    package func computePositions() {
        guard configuration.positions == .sincos else { return }
        for table in [posEmbed.value, decoderPosEmbed.value] {
            SinCosPositions.fill(table, gridHeight: configuration.gridHeight, gridWidth: configuration.gridWidth)
        }
    }
}

extension Parameter {
    /// The same tensor as `rows` rows; its gradient stays empty if it has none.
    fileprivate func asTable(rows: Int) -> Parameter {
        let table = value.reshaped(rows: rows, columns: value.count / rows)
        guard gradient.rows > 0 else { return Parameter(value: table, gradient: gradient) }
        return Parameter(value: table, gradient: gradient.reshaped(rows: rows, columns: table.columns))
    }
}
