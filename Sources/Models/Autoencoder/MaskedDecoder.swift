internal import Layers
internal import Tensors

/// The decoder of a masked autoencoder: a light transformer over the latent of the kept patches and a mask token in each
/// place of the others, and the prediction of pixels (He et al. 2022).
///
/// Its tokens stand in the order of the masking noise: the class token, the K kept patches, the L - K masked ones. Attention
/// does not depend on the order, positions are added by patch, and so kept and masked tokens are contiguous.
///
/// Tensor names are facebookresearch/mae's. In the comments of its parts: N images, L patches, K kept, Q predicted tokens,
/// D encoder width, E decoder width, P = p·p·C values of a patch.
struct MaskedDecoder: Sendable {
    let configuration: MaskedAutoencoderConfiguration
    let element: ElementType
    /// The trained parameters that are the decoder's, among those of its owner.
    let range: Range<Int>

    /// Nil where the latent has the decoder's width as it is.
    let embed: Linear?
    let maskToken: Parameter
    let positions: PositionTable
    let blocks: [TransformerBlock]
    let norm: LayerNorm?
    let pred: Linear
    private let blockStarts: [BlockStart]
    private let linearLayers: [Linear]

    /// - Parameters:
    ///   - parameters: a set in which `specifications` follow one another.
    ///   - space: where weights are packed for each product, or nil to keep them packed.
    init(
        _ configuration: MaskedAutoencoderConfiguration, _ parameters: ParameterSet, _ element: ElementType,
        packing space: PackingSpace?, plan: MemoryPlan
    ) {
        let c = configuration
        self.configuration = c
        self.element = element
        range = parameters.range(of: Self.specifications(c))
        embed =
            c.decoderEmbed
            ? Linear(parameters, "decoder_embed", element, packing: space, plan: plan) : nil
        maskToken = parameters["mask_token"]
        positions = PositionTable(parameters, "decoder_pos_embed", c.encoder)
        blocks = (0..<c.decoderDepth).map {
            TransformerBlock(parameters, "decoder_blocks.\($0)", c.decoderShape, element, packing: space, plan: plan)
        }
        norm = c.decoderNorm ? LayerNorm(parameters, "decoder_norm", epsilon: c.encoder.normEpsilon) : nil
        pred = Linear(parameters, "decoder_pred", element, packing: space, plan: plan)
        blockStarts = (0..<c.decoderDepth).map { BlockStart(parameters, "decoder_blocks.\($0)") }
        linearLayers = [embed, pred].compactMap { $0 } + blocks.flatMap(\.linearLayers)
    }

    /// Every tensor in forward order.
    static func specifications(_ c: MaskedAutoencoderConfiguration) -> [ParameterSpecification] {
        let width = c.decoderEmbedDim
        var all: [ParameterSpecification] = []
        if c.decoderEmbed {
            all += Linear.specifications("decoder_embed", inFeatures: c.encoder.embedDim, outFeatures: width)
        }
        all.append(ParameterSpecification("mask_token", [1, 1, width], .normal(0.02)))
        all.append(PositionTable.specification("decoder_pos_embed", width: width, c.encoder))
        for index in 0..<c.decoderDepth {
            all += TransformerBlock.specifications("decoder_blocks.\(index)", c.decoderShape)
        }
        if c.decoderNorm { all += LayerNorm.specifications("decoder_norm", width: width) }
        all += Linear.specifications("decoder_pred", inFeatures: width, outFeatures: c.encoder.patchValues)
        return all
    }

    /// Scratch memory for a pass over `images` images.
    func scratchBytes(images: Int) -> Int {
        let c = configuration
        let (keptRows, tokens) = (images * (1 + c.keptPatches), 1 + c.encoder.patches)
        let rows = images * tokens
        func linear(_ layer: Linear, _ rows: Int) -> Int {
            Linear.scratchBytes(
                element, rows: rows, inFeatures: layer.weight.value.columns, outFeatures: layer.weight.value.rows)
        }
        return [
            embed.map { linear($0, keptRows) } ?? 0, linear(pred, rows),
            // The first block may be given more distinct tokens than there are tokens.
            blocks.first?.scratchBytes(element, tokens: tokens, rows: max(rows, keptRows + c.encoder.patches)) ?? 0,
            // A row of sums of queries, keys and values.
            3 * c.decoderEmbedDim * MemoryLayout<Float>.stride,
        ].reduce(0, max)
    }

    /// Columns of its widest activation.
    var maximumWidth: Int {
        max(3 * configuration.decoderEmbedDim, configuration.decoderHiddenWidth, configuration.encoder.patchValues)
    }

    /// Rounds and packs the weights if they stay packed.
    func packWeights(in context: LayerContext) {
        for layer in linearLayers { layer.pack(in: context) }
    }

    /// Latent [N·(1 + K), D] → predicted pixels.
    func forward(_ latent: Matrix, _ a: Activations, in context: LayerContext) {
        embedTokens(latent, a, in: context)
        for (index, block) in blocks.enumerated() {
            a.stack.keepInput(of: index, in: context)
            project(index, a, in: context)
            block.attend(a.stack.blocks[index], in: context)
            a.stack.finish(block, index, in: context)
        }
        normalize(a, in: context)
        pred.forward(a.normed, into: a.predictions, in: context)
    }

    /// From the predicted tokens to what pixels are predicted from.
    private func normalize(_ a: Activations, in context: LayerContext) {
        let stream = a.stack.output
        if let norm { return norm.forward(stream, into: a.normed, a.norm, in: context) }
        context.forEachChunk(of: stream.rows) { a.normed.rows($0).convert(from: stream.rows($0)) }
    }

    /// Forms the gradients of all parameters from that of the predictions, which `reconstructionLoss` has left; last layer
    /// first. Overwrites `dLatent`.
    ///
    /// - Parameter done: called, by the first member alone, with each part of `range` that no later part of this pass
    ///   touches.
    func backward(_ a: Activations, into dLatent: Matrix, in context: LayerContext, done: (Range<Int>) -> Void) {
        let predicted = a.stack.outputGradient
        let normed = a.stack.workspace.narrow.rows(0..<predicted.values.rows)
        pred.weightBackward(a.dPredictions, x: a.normed, in: context)
        if let norm {
            pred.inputBackward(a.dPredictions, into: normed, in: context)
            norm.backward(
                normed, a.norm, into: predicted.values, copy: predicted.copy, accumulate: false, in: context)
        } else {
            pred.inputBackward(a.dPredictions, into: predicted.values, in: context)
            if let copy = predicted.copy {
                context.forEachChunk(of: copy.rows) { copy.rows($0).convert(from: predicted.values.rows($0)) }
            }
        }
        var unfinished = UnfinishedGradients(range)
        for index in blocks.indices.reversed() {
            a.stack.recompute(blocks[index], index, in: context)
            a.stack.finishBackward(blocks[index], index, in: context)
            unfinished.finish(from: blockStarts[index].afterAttention, in: context, done)
            blocks[index].attendBackward(a.stack.blocks[index], a.stack.workspace, in: context)
            projectBackward(index, a, in: context)
            unfinished.finish(from: blockStarts[index].all, in: context, done)
        }
        embedTokensBackward(a, into: dLatent, in: context)
        unfinished.finish(from: range.lowerBound, in: context, done)
    }

    /// The parts of `range` as backward finishes them, and the multiply-adds of forward that each one's backward is
    /// twice of.
    func gradientStages() -> [(elements: Int, flops: Double)] {
        let forward = configuration.forwardFlops
        let afterAttention = configuration.decoderShape.flopsAfterAttention(tokens: 1 + configuration.encoder.patches)
        var stages: [(elements: Int, flops: Double)] = []
        var end = range.upperBound
        func finish(from start: Int, after flops: Double) {
            stages.append((end - start, flops))
            end = start
        }
        for index in blocks.indices.reversed() {
            let prediction = index == blocks.count - 1 ? forward.decoderPred : 0
            finish(from: blockStarts[index].afterAttention, after: prediction + afterAttention)
            finish(from: blockStarts[index].all, after: forward.decoderBlock - afterAttention)
        }
        finish(from: range.lowerBound, after: forward.decoderEmbed)
        return stages
    }
}
