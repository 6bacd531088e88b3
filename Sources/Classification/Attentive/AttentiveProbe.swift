package import Layers
internal import Models
package import Tensors

/// The shape of a head that pools tokens by queries of its own.
package struct AttentiveProbeConfiguration: Codable, Equatable, Sendable {
    /// D
    package var width: Int
    package var classes: Int
    /// M
    package var queries = 32
    /// D / D': how much narrower values are than tokens.
    package var narrowing = 1

    package init(width: Int, classes: Int) {
        self.width = width
        self.classes = classes
    }

    /// D'
    package var valueWidth: Int { width / narrowing }

    /// Throws `ModelError` naming the first value that cannot be.
    package func validate() throws {
        for (flag, value) in [("--queries", queries), ("--narrowing", narrowing), ("--nb-classes", classes)]
        where value < 1 || value > 1 << 20 {
            throw ModelError("\(flag) is \(value): it must be at least 1 and at most \(1 << 20)")
        }
        guard width % narrowing == 0 && valueWidth % queries == 0 else {
            throw ModelError(
                "values of width \(width)/\(narrowing) cannot be divided among --queries \(queries): choose numbers "
                    + "that divide them")
        }
    }
}

/// A head on the tokens of a frozen encoder: `AttentivePooling`, and a linear classifier.
package final class AttentiveProbe: Sendable {
    package let configuration: AttentiveProbeConfiguration
    package let parameters: ParameterSet
    private let pooling: AttentivePooling
    private let head: Linear
    private let headRange: Range<Int>
    private let poolingRange: Range<Int>

    package init(_ configuration: AttentiveProbeConfiguration, plan: MemoryPlan) {
        let c = configuration
        let pooling = AttentivePooling.specifications(
            width: c.width, queries: c.queries, valueWidth: c.valueWidth)
        let head = [
            // As the head of MAE's linear probe (`main_linprobe.py`).
            ParameterSpecification("head.weight", [c.classes, c.valueWidth], .normal(0.01)),
            ParameterSpecification("head.bias", [c.classes], .zeros),
        ]
        self.configuration = c
        parameters = ParameterSet(pooling + head, plan: plan)
        self.pooling = AttentivePooling(parameters)
        self.head = Linear(parameters, "head", .float32, plan: plan)
        poolingRange = parameters.range(of: pooling)
        headRange = parameters.range(of: head)
    }

    /// Everything that one forward and backward pass over N images writes.
    package struct Activations: Sendable {
        let pooling: AttentivePooling.Activations
        /// [N, C]; the loss puts their gradient in their place.
        package let logits: Matrix
        let dPooled: Matrix

        /// - Parameter tokens: of each image, the class token included.
        package init(_ c: AttentiveProbeConfiguration, images: Int, tokens: Int, plan: MemoryPlan) {
            pooling = AttentivePooling.Activations(
                images: images, tokens: tokens, width: c.width, queries: c.queries, valueWidth: c.valueWidth, plan: plan
            )
            logits = plan.matrix(.activations, "head", rows: images, columns: c.classes)
            dPooled = plan.matrix(.workspace, "dPooled", rows: images, columns: c.valueWidth)
        }
    }

    /// Scratch memory for a pass over `images` images of so many tokens.
    package func scratchBytes(images: Int, tokens: Int) -> Int {
        let c = configuration
        return max(
            AttentivePooling.scratchBytes(
                images: images, tokens: tokens, width: c.width, queries: c.queries, valueWidth: c.valueWidth),
            Linear.scratchBytes(.float32, rows: images, inFeatures: c.valueWidth, outFeatures: c.classes))
    }

    /// Packs the weights; after every change of them.
    package func packWeights(in context: LayerContext) { head.pack(in: context) }

    /// Overwrites `a.logits`.
    ///
    /// - Parameter tokens: [N·T, D], each image's class token first, which is not looked at.
    package func forward(_ tokens: Matrix, _ a: Activations, in context: LayerContext) {
        pooling.forward(tokens, a.pooling, in: context)
        head.forward(Operand(a.pooling.result), into: a.logits, in: context)
    }

    /// Forms the gradients of all parameters from that of the logits, which stands in their place; last layer first.
    package func backward(
        _ tokens: Matrix, _ a: Activations, in context: LayerContext, done: (Range<Int>) -> Void = { _ in }
    ) {
        head.weightBackward(Operand(a.logits), x: Operand(a.pooling.result), in: context)
        head.inputBackward(Operand(a.logits), into: a.dPooled, in: context)
        if context.member.isFirst { done(headRange) }
        pooling.backward(a.dPooled, tokens, a.pooling, in: context)
        if context.member.isFirst { done(poolingRange) }
    }
}
