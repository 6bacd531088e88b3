package import Glibc

/// What a path stands for.
package enum FileKind {
    /// S_IFREG, S_IFDIR …; nil if there is nothing of that name.
    ///
    /// - Throws: why the system does not say: a directory on the way that may not be entered, a loop of links, a name
    ///   that is too long.
    package static func of(_ path: String) throws(ImageDataError) -> mode_t? {
        var status = stat()
        if unsafe stat(path, &status) == 0 { return status.st_mode & S_IFMT }
        let code = errno
        // ENOTDIR: something on the way is a file, so there is nothing below it.
        guard code == ENOENT || code == ENOTDIR else {
            throw .unreadable(path: path, reason: ImageDataError.reason(code))
        }
        return nil
    }

    package static func isFile(_ path: String) throws(ImageDataError) -> Bool { try of(path) == S_IFREG }

    package static func isDirectory(_ path: String) throws(ImageDataError) -> Bool { try of(path) == S_IFDIR }
}
