import Glibc

/// What is in a directory.
enum DirectoryListing {
    /// Names without those that begin with a dot, in the system's order; none where the directory cannot be read.
    static func names(_ directory: String, atMost most: Int) -> [String] {
        guard let handle = unsafe opendir(directory) else { return [] }
        defer { unsafe closedir(handle) }
        var names: [String] = []
        while names.count < most, let entry = unsafe readdir(handle) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe String(cString: UnsafeRawPointer(pointer).assumingMemoryBound(to: CChar.self))
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names
    }

    /// S_IFREG, S_IFDIR …; nil if there is nothing of that name.
    ///
    /// - Throws: why the system does not say: a directory on the way that may not be entered, a loop of links, a name
    ///   that is too long.
    static func kind(of path: String) throws(ImageDataError) -> mode_t? {
        var status = stat()
        if unsafe stat(path, &status) == 0 { return status.st_mode & S_IFMT }
        let code = errno
        // ENOTDIR: something on the way is a file, so there is nothing below it.
        guard code == ENOENT || code == ENOTDIR else {
            throw .unreadable(path: path, reason: ImageDataError.reason(code))
        }
        return nil
    }

    static func isFile(_ path: String) throws(ImageDataError) -> Bool { try kind(of: path) == S_IFREG }

    static func isDirectory(_ path: String) throws(ImageDataError) -> Bool { try kind(of: path) == S_IFDIR }
}
