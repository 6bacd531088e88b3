internal import CVectorKernels

/// The instruction set of the vector kernels, and what it can do at most.
package enum VectorKernels {
    /// `avx512_bf16`, `avx512`, `avx2` or `baseline`: the best this CPU has, or what UMAE_MAX_ISA limits it to.
    package static var instructionSet: String {
        switch umae_kernels_isa() {
        case UMAE_ISA_AVX512_BF16: "avx512_bf16"
        case UMAE_ISA_AVX512: "avx512"
        case UMAE_ISA_AVX2: "avx2"
        default: "baseline"
        }
    }

    /// What UMAE_MAX_ISA may be, best first.
    package static let instructionSets = ["avx512_bf16", "avx512", "avx2", "baseline"]

    /// Whether products are added without rounding in between (fused multiply-add). Kernels that do so agree in every bit
    /// of AdamW's update and of sums of squares; those of `baseline` round otherwise.
    package static var fusesMultiplyAdd: Bool { umae_kernels_isa() != UMAE_ISA_BASELINE }

    /// Uses the kernels of `baseline` from now on. Before anything is computed.
    package static func useBaseline() { umae_kernels_limit(UMAE_ISA_BASELINE) }

    /// Whether products of bfloat16 are faster than those of fp32.
    package static var hasFastBFloat16: Bool { umae_kernels_isa() == UMAE_ISA_AVX512_BF16 }

    /// Independent multiply-adds on registers, on the calling thread; returns their FLOPs.
    package static func multiplyAddBurst(_ element: ElementType, repeats: Int) -> Double {
        umae_fma_burst(umae_type(element.kernelCode), Int64(repeats))
    }
}
