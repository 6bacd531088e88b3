internal import CVectorKernels
package import Tensors

/// Adds up the gradients of a rank's micro-batches, a power of two, in a tree: neighbours in pairs, the pairs in pairs.
///
/// Ranks continue the same tree. So the bits of the sum depend on the parts that the batch is divided into, and not on how
/// many of the parts each rank has.
package final class GradientTree {
    private let gradients: Matrix
    private let terms: Int
    /// The sum of 2^k terms that waits for its neighbour.
    private let waiting: [Matrix]

    /// - Parameter gradients: [1, n], of one micro-batch after another, and in the end their sum.
    package init(_ gradients: Matrix, terms: Int, plan: MemoryPlan) {
        precondition(terms.nonzeroBitCount == 1, "a tree has a power of two terms")
        self.gradients = gradients
        self.terms = terms
        waiting = (0..<terms.trailingZeroBitCount).map {
            plan.matrix(.gradients, "gradients of \(1 << $0) micro-batches", rows: 1, columns: gradients.columns)
        }
    }

    /// Keeps the gradient of micro-batch `term`, all but the last. Every member of a team calls it.
    package func keep(term: Int, by member: TeamMember) {
        precondition(term < terms - 1)
        let complete = (~term).trailingZeroBitCount
        member.forEachChunk(of: gradients.columns, multipleOf: 16) { range in
            add(waiting[..<complete], range)
            waiting[complete].columns(range).copy(from: gradients.columns(range))
        }
    }

    /// Adds all that is waiting to these gradients of the last micro-batch.
    package func complete(_ range: Range<Int>) { add(waiting[...], range) }

    private func add(_ levels: ArraySlice<Matrix>, _ range: Range<Int>) {
        let sum = gradients.columns(range)
        for level in levels { unsafe umae_add(level.columns(range).pointer, sum.pointer, range.count) }
    }

    /// The sum of `values`, in the same tree; nil if there are none.
    package static func sum<Value>(_ values: [Value], _ add: (Value, Value) -> Value) -> Value? {
        values.isEmpty ? nil : sum(values, values.indices, add)
    }

    private static func sum<Value>(_ values: [Value], _ range: Range<Int>, _ add: (Value, Value) -> Value) -> Value {
        guard range.count > 1 else { return values[range.lowerBound] }
        let middle = range.lowerBound + (range.count + 1) / 2
        return add(sum(values, range.lowerBound..<middle, add), sum(values, middle..<range.upperBound, add))
    }
}
