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

    /// Leaves all threading to `Team`.
    package static func useOneThread() { openblas_set_num_threads(1) }

    /// Starts the program again with OPENBLAS_CORETYPE set, if OpenBLAS did not recognise a CPU with AVX-512.
    ///
    /// OpenBLAS reads that variable only while it is loaded. Debian's 0.3.21 takes AMD Zen 4 and 5 for Haswell, which
    /// halves the speed. Call before anything else: it replaces the process and keeps its arguments and environment.
    /// A variable that is already set is the user's choice and is left alone.
    package static func restartOnBetterKernels() {
        guard unsafe getenv("OPENBLAS_CORETYPE") == nil else { return }
        guard umae_cpu_supports(UMAE_ISA_AVX512), ["Haswell", "Zen"].contains(name) else { return }
        unsafe setenv("OPENBLAS_CORETYPE", "SkylakeX", 1)
        // OpenBLAS also starts its own pool while it is loaded, one thread per core of every rank.
        unsafe setenv("OPENBLAS_NUM_THREADS", "1", 0)
        unsafe execv("/proc/self/exe", CommandLine.unsafeArgv)
        // Without /proc the program goes on, at half speed.
    }
}
