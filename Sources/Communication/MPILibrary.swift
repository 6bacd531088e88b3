internal import CMPIShim

/// The MPI library that the program is linked with.
package enum MPILibrary {
    /// Name and version, such as `Open MPI v4.1.4`, without starting MPI; nil if the library does not say.
    package static var version: String? {
        var text = [CChar](repeating: 0, count: 512)
        guard unsafe umae_mpi_library_version(&text, Int32(text.count)) == 0 else { return nil }
        let full = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // How it was packaged and when follows.
        return full.split(whereSeparator: { $0 == "," || $0 == "\n" }).first.map(String.init)
    }
}
