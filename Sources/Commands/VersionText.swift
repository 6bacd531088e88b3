internal import BuildIdentity
internal import Communication
internal import Tensors

/// What `--version` prints: all that decides how this program computes, whatever it is asked to.
package enum VersionText {
    package static var text: String {
        """
        umae-dist \(BuildIdentity.version)
        commit    \(BuildIdentity.commit() ?? "unknown")
        compiler  \(BuildIdentity.compiler)
        MPI       \(MPILibrary.version ?? "unknown")
        kernels   \(VectorKernels.instructionSet)
        """
    }
}
