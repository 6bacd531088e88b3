package import Layers
package import Tensors

/// The encoder: a vision transformer of pre-norm blocks with a class token (Dosovitskiy et al. 2021), and the image
/// feature that is taken from it. It sees a selection of each image's patches, which is each pass's own.
///
/// Tensor names are facebookresearch/mae's, which are timm's. In the comments of its parts: N images, L patches, K
/// selected, D width, P = p·p·C values of a patch.
package struct VisionTransformer: Sendable {
    package let configuration: VisionTransformerConfiguration
    /// What matrix products read.
    package let element: ElementType
    /// The trained parameters that are the encoder's, among those of its owner.
    package let range: Range<Int>

    let patchEmbed: Linear
    let clsToken: Parameter
    let positions: PositionTable
    let blocks: [TransformerBlock]
    /// Nil without a final norm.
    let norm: LayerNorm?
    /// Only for the pooled feature.
    let fcNorm: LayerNorm?
    private let blockStarts: [BlockStart]
    private let linearLayers: [Linear]

    /// - Parameters:
    ///   - parameters: a set in which `specifications` follow one another.
    ///   - space: where weights are packed for each product, or nil to keep them packed.
    package init(
        _ configuration: VisionTransformerConfiguration, _ parameters: ParameterSet, _ element: ElementType,
        packing space: PackingSpace? = nil, plan: MemoryPlan
    ) {
        let c = configuration
        self.configuration = c
        self.element = element
        range = parameters.range(of: Self.specifications(c))
        patchEmbed = Linear(
            parameters, "patch_embed.proj", element, hasInputGradient: false, packing: space, plan: plan)
        clsToken = parameters["cls_token"]
        positions = PositionTable(parameters, "pos_embed", c, hasClassToken: c.clsPosition)
        blocks = (0..<c.depth).map {
            TransformerBlock(parameters, "blocks.\($0)", c.blockShape, element, packing: space, plan: plan)
        }
        norm = c.finalNorm ? LayerNorm(parameters, "norm", epsilon: c.normEpsilon) : nil
        fcNorm = c.feature == .pooled ? LayerNorm(parameters, "fc_norm", epsilon: c.normEpsilon) : nil
        blockStarts = (0..<c.depth).map { BlockStart(parameters, "blocks.\($0)") }
        linearLayers = [patchEmbed] + blocks.flatMap(\.linearLayers)
    }

    /// Every tensor in forward order.
    package static func specifications(_ c: VisionTransformerConfiguration) -> [ParameterSpecification] {
        var all = [
            ParameterSpecification(
                "patch_embed.proj.weight", [c.embedDim, c.channels, c.patchSize, c.patchSize], .xavierUniform),
            ParameterSpecification("patch_embed.proj.bias", [c.embedDim], .zeros),
            ParameterSpecification("cls_token", [1, 1, c.embedDim], .normal(0.02)),
            PositionTable.specification("pos_embed", width: c.embedDim, c),
        ]
        for index in 0..<c.depth {
            all += TransformerBlock.specifications("blocks.\(index)", c.blockShape)
        }
        if c.finalNorm { all += LayerNorm.specifications("norm", width: c.embedDim) }
        if c.feature == .pooled { all += LayerNorm.specifications("fc_norm", width: c.embedDim) }
        return all
    }

    /// Scratch memory for a pass over `images` images of so many tokens.
    package func scratchBytes(images: Int, tokens: Int) -> Int {
        let c = configuration
        return max(
            Linear.scratchBytes(
                element, rows: images * (tokens - 1), inFeatures: c.patchValues, outFeatures: c.embedDim),
            blocks.first?.scratchBytes(element, tokens: tokens, rows: images * tokens) ?? 0)
    }

    /// Columns of its widest activation.
    package var maximumWidth: Int {
        max(3 * configuration.embedDim, configuration.hiddenWidth, configuration.patchValues)
    }

    /// Fills fixed positions; trained ones are left alone.
    package func computePositions() { positions.compute() }

    /// Rounds and packs the weights if they stay packed; after every change of them, before the next pass.
    package func packWeights(in context: LayerContext) {
        for layer in linearLayers { layer.pack(in: context) }
    }

    /// Patches → tokens → latent and features.
    ///
    /// - Parameter images: [N, C·H·W], planar and normalised; fewer where each has several views in `a`, as
    ///   `RandomMasking` orders them.
    package func forward(_ images: Matrix, _ a: Activations, in context: LayerContext) {
        embed(images, a, in: context)
        let stack = a.stack
        for (index, block) in blocks.enumerated() {
            stack.keepInput(of: index, in: context)
            block.project(
                stack.stream, into: stack.blocks[index].qkv, stack.blocks[index], stack.workspace, in: context)
            block.attend(stack.blocks[index], in: context)
            stack.finish(block, index, in: context)
        }
        norm?.forward(stack.output, into: Operand(a.latent), a.norm, in: context)
        extractFeatures(a, in: context)
    }

    /// Forms the gradients of all parameters from those of latent and features; last layer first.
    ///
    /// - Parameters:
    ///   - addingToLatent: whether `a.dLatent` holds what a decoder says of the latent; otherwise nothing does.
    ///   - dFeatures: gradient with respect to `a.features` [N, D], or nil if no loss depends on them.
    ///   - done: called, by the first member alone, with each part of `range` that no later part of this pass touches.
    package func backward(
        _ a: Activations, addingToLatent: Bool, dFeatures: Matrix?, in context: LayerContext,
        done: (Range<Int>) -> Void = { _ in }
    ) {
        if !addingToLatent { context.forEachChunk(of: a.dLatent.rows) { a.dLatent.rows($0).clear() } }
        if let dFeatures { featuresBackward(a, dFeatures, in: context) }
        let stack = a.stack
        let (d, w) = (stack.gradient, stack.workspace)
        let dOutput = stack.outputGradient
        if let norm {
            guard let kept = a.norm else { preconditionFailure("these activations were laid out for forward alone") }
            norm.backward(Operand(a.dLatent), kept, into: dOutput.values, accumulate: false, in: context)
        }
        dOutput.fillCopy(times: stack.blocks.last?.branchFactors?.mlp, in: context)
        var unfinished = UnfinishedGradients(range)
        for index in blocks.indices.reversed() {
            let (block, own) = (blocks[index], stack.blocks[index])
            stack.recompute(block, index, in: context)
            stack.finishBackward(block, index, in: context)
            unfinished.finish(from: blockStarts[index].afterAttention, in: context, done)
            block.attendBackward(own, w, in: context)
            block.projectBackward(
                w.qkv.rows(0..<own.qkv.rows), d, accumulate: true, own, w,
                next: index > 0 ? stack.blocks[index - 1].branchFactors : nil, in: context)
            unfinished.finish(from: blockStarts[index].all, in: context, done)
        }
        embedBackward(a, in: context)
        unfinished.finish(from: range.lowerBound, in: context, done)
    }

    /// The parts of `range` as backward finishes them, and the multiply-adds of forward that each one's backward is
    /// twice of.
    func gradientStages(tokens: Int) -> [(elements: Int, flops: Double)] {
        let shape = configuration.blockShape
        let (flops, afterAttention) = (shape.flops(tokens: tokens), shape.flopsAfterAttention(tokens: tokens))
        var stages: [(elements: Int, flops: Double)] = []
        var end = range.upperBound
        func finish(from start: Int, after flops: Double) {
            stages.append((end - start, flops))
            end = start
        }
        for start in blockStarts.reversed() {
            finish(from: start.afterAttention, after: afterAttention)
            finish(from: start.all, after: flops - afterAttention)
        }
        finish(from: range.lowerBound, after: configuration.patchEmbedFlops)
        return stages
    }
}
