internal import Layers
internal import Tensors

/// A part of the gradient that backward finishes at once.
package struct GradientStage: Equatable, Sendable {
    package let elements: Int
    /// Share of backward's multiply-adds that is done between the part before and this one.
    package let share: Double

    package init(elements: Int, share: Double) {
        self.elements = elements
        self.share = share
    }
}

/// Where in the gradient buffer the parts of a block begin that its backward finishes one after another: what follows
/// attention, then the rest.
struct BlockStart: Sendable {
    let all: Int
    let afterAttention: Int

    init(_ parameters: ParameterSet, _ block: String) {
        all = parameters.range(of: "\(block).norm1.weight").lowerBound
        afterAttention = parameters.range(of: "\(block).attn.proj.weight").lowerBound
    }
}

/// The gradients of a range of parameters while backward finishes them, the last ones first.
struct UnfinishedGradients {
    private var end: Int

    init(_ range: Range<Int>) { end = range.upperBound }

    /// Everything from `start` on is finished: the first member alone hands what was not yet to `done`.
    mutating func finish(from start: Int, in context: LayerContext, _ done: (Range<Int>) -> Void) {
        if context.member.isFirst { done(start..<end) }
        end = start
    }
}
