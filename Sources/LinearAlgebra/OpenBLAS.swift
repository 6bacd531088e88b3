internal import COpenBLAS

/// The library that products, factorizations and eigenvalues in double precision come from, where they are not what a step
/// spends its time on.
package enum OpenBLAS {
    /// Loads it; again does nothing. Whoever is about to compute with it asks first, where it can still be said that it is
    /// missing.
    ///
    /// - Throws: `OpenBLASError` if this host does not have it.
    package static func load() throws(OpenBLASError) {
        if let reason = unsafe umae_openblas_load() { throw OpenBLASError(reason: unsafe String(cString: reason)) }
    }

    /// The same, for memory that is already laid out for it.
    static func expect() {
        do { try load() } catch { fatalError("\(error)") }
    }
}

package struct OpenBLASError: Error, Equatable, CustomStringConvertible {
    /// The system's words.
    package let reason: String

    package var description: String {
        "OpenBLAS cannot be loaded: \(reason); on Debian and Ubuntu it is in the package libopenblas0"
    }
}
