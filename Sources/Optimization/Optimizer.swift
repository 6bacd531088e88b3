package import Tensors

/// What turns the gradients of a step into new weights.
package protocol Optimizer: AnyObject, Sendable {
    /// The parameters that are updated here, in order; all of them, or this rank's share.
    var owned: [Range<Int>] { get }
    /// [1, m] each: what the optimizer remembers of the parameters in `owned`, one after another.
    var moments: [Matrix] { get }
    /// By which files know the moments.
    static var momentNames: [String] { get }

    /// Updates what is owned. Every member of a team calls it.
    ///
    /// - Parameters:
    ///   - gradients: [1, n], of the global batch.
    ///   - step: updates that the moments have seen, this one included; from 1.
    ///   - gradientScale: the gradient used is `gradients` times this; how clipping is applied.
    ///   - range: the parameters to look at; nil for all.
    ///   - snapshot: gets weights and moments as they were, in the same pass over memory; everything must be owned.
    func update(
        _ gradients: Matrix, step: Int, learningRate: Double, gradientScale: Double, within range: Range<Int>?,
        savingTo snapshot: OptimizerSnapshot?, by member: TeamMember)
}

/// Memory for what weights and moments were before an update, [1, n] each.
package struct OptimizerSnapshot: Sendable {
    package let values: Matrix
    package let moments: [Matrix]

    /// - Parameter names: of the moments.
    package init(count: Int, names: [String], plan: MemoryPlan) {
        func copy(_ name: String) -> Matrix { plan.matrix(.saving, "\(name), copy", rows: 1, columns: count) }
        values = copy("weights")
        moments = names.map(copy)
    }
}
