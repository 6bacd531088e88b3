package import ArgumentParser
internal import Settings

/// Flags that say how a rank computes in `debug`, which trains nothing and lasts seconds.
package struct DebugComputeOptions: ParsableArguments {
    @Option(
        help: """
            Operands of the matrix products: fp32 (the default), bf16 or auto; without files always fp32, which finite \
            differences need.
            """)
    package var precision: ComputeOptions.Precision?

    @Option(help: "Threads of each rank (default: the cores this rank may use over the ranks that share them).")
    package var threads: Int?

    @Flag(help: "Keep fewer activations and compute them again in backward: the same numbers.")
    package var recomputeActivations = false

    package init() {}

    package func validate() throws { try Bounds.check("--threads", threads, ComputeOptions.threadCount) }

    /// Why this precision cannot be had without files.
    package var obstacleToFiniteDifferences: String? {
        guard precision == .bf16 else { return nil }
        return "--precision is bf16: finite differences need fp32: leave it out, or give --weights, --batch "
            + "and --dump"
    }
}
