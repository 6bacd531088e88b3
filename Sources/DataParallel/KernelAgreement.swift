package import Communication
internal import Tensors

/// Kernels that all ranks can run with the same bits where replicas must stay equal: in AdamW and the gradient's norm, which
/// every rank computes for itself. Products may round otherwise on each rank: their gradients are summed.
package enum KernelAgreement {
    /// Has all ranks use the kernels of `baseline` if some can use no others; says so in a note. To be called before
    /// anything is computed. Collective.
    package static func reach(in communicator: any Communicator) throws -> String? {
        guard communicator.size > 1 else { return nil }
        var lacking = [Double](repeating: 0, count: communicator.size)
        lacking[communicator.rank] = VectorKernels.fusesMultiplyAdd ? 0 : 1
        try communicator.allReduce(&lacking, .sum)
        let without = lacking.indices.filter { lacking[$0] > 0 }
        guard !without.isEmpty && without.count < lacking.count else { return nil }
        VectorKernels.useBaseline()
        let named = without.prefix(8).map(String.init).joined(separator: ", ") + (without.count > 8 ? ", …" : "")
        return "rank \(named) can use the baseline kernels alone, for want of AVX2 or because of UMAE_MAX_ISA, and "
            + "rounds otherwise than the others: all ranks use them, which is slower"
    }
}
