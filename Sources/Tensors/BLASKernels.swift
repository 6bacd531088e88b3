internal import COpenBLAS
internal import CVectorKernels
import Glibc

/// Which kernels OpenBLAS runs, and on how many threads.
package enum BLASKernels {
    /// The kernel family OpenBLAS chose when it was loaded, such as `SkylakeX` or `Haswell`.
    package static var name: String {
        guard let name = unsafe openblas_get_corename() else { return "unknown" }
        return unsafe String(cString: name)
    }

    /// What the environment asked OpenBLAS for before the program was started again for better kernels, if it was.
    package static var overriddenChoice: String? { variable(overriddenVariable) }

    /// Leaves all threading to `Team`.
    package static func useOneThread() { openblas_set_num_threads(1) }

    /// Starts the program again with another OPENBLAS_CORETYPE, if OpenBLAS did not take the kernels this CPU can run.
    ///
    /// OpenBLAS reads that variable only while it is loaded. An old OpenBLAS may not know the CPU, and login scripts and
    /// images are found that set the variable to a family for all their machines; either halves the speed. Call before
    /// anything else: it replaces the process and keeps its arguments and the rest of its environment. UMAE_MAX_ISA
    /// limits these kernels as it limits the others.
    package static func restartOnBetterKernels() {
        guard variable(restartedVariable) == nil, let best = bestChoice, !best.isFamily(name) else { return }
        unsafe setenv(restartedVariable, "1", 1)
        if let asked = variable("OPENBLAS_CORETYPE") { unsafe setenv(overriddenVariable, asked, 1) }
        unsafe setenv("OPENBLAS_CORETYPE", best.coreType, 1)
        // OpenBLAS also starts its own pool while it is loaded, one thread per core of every rank.
        unsafe setenv("OPENBLAS_NUM_THREADS", "1", 0)
        // Under its own path, so that the process keeps its name.
        var path = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        guard unsafe readlink("/proc/self/exe", &path, path.count - 1) > 0 else { return }
        unsafe execv(path, CommandLine.unsafeArgv)
        // Without /proc the program goes on as it is.
    }

    private static let restartedVariable = "UMAE_INTERNAL_BLAS_RESTARTED"
    private static let overriddenVariable = "UMAE_INTERNAL_BLAS_OVERRIDDEN"

    private struct Choice {
        let coreType: String
        /// Names under which OpenBLAS reports kernels of this family.
        let names: Set<String>

        func isFamily(_ name: String) -> Bool { names.contains(name) }
    }

    /// nil where OpenBLAS's own choice stands.
    private static var bestChoice: Choice? {
        #if arch(x86_64)
            switch umae_kernels_isa() {
            case UMAE_ISA_AVX512:
                return Choice(coreType: "SkylakeX", names: ["SkylakeX", "Cooperlake", "SapphireRapids"])
            case UMAE_ISA_AVX2:
                return Choice(coreType: "Haswell", names: ["Haswell", "Zen"])
            default:
                return Choice(coreType: "Nehalem", names: ["Nehalem", "Prescott", "Core2", "Penryn", "Dunnington"])
            }
        #else
            return nil
        #endif
    }

    private static func variable(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }
}
