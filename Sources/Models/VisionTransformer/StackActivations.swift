internal import Layers
internal import Tensors

/// What a stack of transformer blocks writes: its stream, which every block changes, and what each keeps for backward.
struct StackActivations: Sendable {
    /// The stream [N·T, width]; where blocks are recomputed backward overwrites it.
    let stream: Matrix
    /// Its gradient in backward.
    let gradient: TransformerBlock.StreamGradient
    /// The stream of the tokens that are wanted of the last block, behind it [N·Q, width]: `stream` if those are all.
    let output: Matrix
    /// Its gradient: `gradient` if all tokens are wanted, otherwise in the memory of `output`.
    let outputGradient: TransformerBlock.StreamGradient
    /// Q, of the T tokens of each image.
    private let wanted: (queries: Range<Int>, of: Int)
    let blocks: [TransformerBlock.Activations]
    let workspace: TransformerBlock.Workspace
    /// The stream after each of the last blocks, as far as it is kept.
    let stages: [(name: String, values: Matrix)]
    private let firstStage: Int
    /// What blocks that are recomputed were given; nil for the others.
    private let inputs: [Matrix?]

    /// - Parameters:
    ///   - tokens: T, of each image.
    ///   - firstRows: rows that the first block projects, where they are not those of the stream.
    ///   - queries: tokens of each image that the last block computes.
    ///   - dropPath: what branches are multiplied with, if anything.
    init(
        _ name: String, images: Int, tokens: Int, depth: Int, _ shape: TransformerBlock.Shape, firstRows: Int? = nil,
        lastQueries queries: Range<Int>, dropPath: DropPath? = nil, _ options: PassOptions, _ element: ElementType,
        plan: MemoryPlan
    ) {
        let rows = images * tokens
        func matrix(_ purpose: MemoryPlan.Purpose, _ part: String) -> Matrix {
            plan.matrix(purpose, "\(name).\(part)", rows: rows, columns: shape.width)
        }
        func gradient(_ part: String, of values: Matrix) -> TransformerBlock.StreamGradient {
            TransformerBlock.StreamGradient(
                "\(name).\(part)", values, element, hasFactors: dropPath != nil, plan: plan)
        }
        stream = matrix(.activations, "stream")
        self.gradient = gradient("dStream", of: matrix(.workspace, "dStream"))
        wanted = (queries, tokens)
        if queries.count < tokens {
            output = plan.matrix(
                .activations, "\(name).output", rows: images * queries.count, columns: shape.width)
            outputGradient = gradient("dOutput", of: output)
        } else {
            (output, outputGradient) = (stream, self.gradient)
        }
        // First and last block differ from the others, and the last needs no recomputing.
        let middle = 1..<max(depth - 1, 1)
        let sharesActivations = options.kept != .activations
        var blocks: [TransformerBlock.Activations] = []
        for index in 0..<depth {
            if sharesActivations && middle.contains(index) && index > middle.lowerBound {
                blocks.append(blocks[middle.lowerBound])
            } else {
                blocks.append(
                    TransformerBlock.Activations(
                        "\(name).\(index)", images: images, tokens: tokens, shape,
                        queries: index == depth - 1 ? queries : nil,
                        projectedRows: index == 0 ? firstRows : nil, hasBackward: options.kept != .nothing, element,
                        plan: plan))
            }
            blocks[index].branchFactors = dropPath?.branchFactors(of: index)
        }
        self.blocks = blocks
        // The last block that shares activations still has its own in them when backward comes to it.
        inputs = (0..<depth).map { index in
            options.kept == .inputs && middle.contains(index) && index + 1 < middle.upperBound
                ? matrix(.activations, "\(index).input") : nil
        }
        firstStage = max(depth - options.keptStages, 0)
        stages = (firstStage..<depth).map { ("\(name).\($0)", matrix(.activations, "\($0).output")) }
        workspace = TransformerBlock.Workspace(
            name, rows: max(rows, firstRows ?? 0), width: shape.width, hiddenWidth: shape.hiddenWidth, element,
            plan: plan)
    }

    /// Keeps the stream that block `index` is about to change, if it will be recomputed.
    func keepInput(of index: Int, in context: LayerContext) {
        guard let input = inputs[index] else { return }
        context.forEachChunk(of: stream.rows) { input.rows($0).copy(from: stream.rows($0)) }
    }

    /// Fills the activations of block `index` again, if they were shared.
    func recompute(_ block: TransformerBlock, _ index: Int, in context: LayerContext) {
        guard let input = inputs[index] else { return }
        context.forEachChunk(of: stream.rows) { stream.rows($0).copy(from: input.rows($0)) }
        block.recompute(stream, blocks[index], workspace, in: context)
    }

    /// Everything after the attention of block `index`, of the last one on the wanted tokens alone.
    func finish(_ block: TransformerBlock, _ index: Int, in context: LayerContext) {
        let isLast = index == blocks.count - 1
        if isLast && wanted.queries.count < wanted.of {
            context.forEachChunk(of: images) { range in
                for image in range { outputRows(of: image).copy(from: stream.rows(wantedRows(of: image))) }
            }
        }
        let values = isLast ? output : stream
        block.finish(values, blocks[index], workspace, in: context)
        keepOutput(of: index, values, in: context)
    }

    /// Back through `finish`, to the gradient of the stream before it.
    func finishBackward(_ block: TransformerBlock, _ index: Int, in context: LayerContext) {
        let isLast = index == blocks.count - 1
        block.finishBackward(isLast ? outputGradient : gradient, blocks[index], workspace, in: context)
        guard isLast && wanted.queries.count < wanted.of else { return }
        context.forEachChunk(of: images) { range in
            for image in range {
                let (rows, d) = (wantedRows(of: image), gradient.values)
                d.rows(image * wanted.of..<rows.lowerBound).clear()
                d.rows(rows).copy(from: outputRows(of: image))
                d.rows(rows.upperBound..<(image + 1) * wanted.of).clear()
            }
        }
    }

    private var images: Int { stream.rows / wanted.of }

    /// Of the stream.
    private func wantedRows(of image: Int) -> Range<Int> {
        image * wanted.of + wanted.queries.lowerBound..<image * wanted.of + wanted.queries.upperBound
    }

    private func outputRows(of image: Int) -> Matrix {
        output.rows(image * wanted.queries.count..<(image + 1) * wanted.queries.count)
    }

    /// Keeps what block `index` gave, the first rows of its stage, if stages are kept.
    private func keepOutput(of index: Int, _ values: Matrix, in context: LayerContext) {
        guard index >= firstStage else { return }
        let stage = stages[index - firstStage].values
        context.forEachChunk(of: values.rows) { stage.rows($0).copy(from: values.rows($0)) }
    }
}
