internal import DataParallel
package import Runs

extension MemoryCheck.Remedies {
    /// What a run with this configuration does not use yet.
    package init(_ configuration: UpdateConfiguration, recomputesActivations: Bool, ranks: Int) {
        self = .microBatches
        if !recomputesActivations { insert(.recomputing) }
        if ranks > 1 && !configuration.gradientExchange.shardsOptimizer { insert(.sharding) }
    }
}
