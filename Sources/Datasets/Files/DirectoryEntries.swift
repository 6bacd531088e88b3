internal import Glibc
internal import Host

/// What is in a directory, with names as the file system has them.
struct DirectoryEntries {
    var files = NameTable()
    var directories = NameTable()

    /// The entries whose names do not begin with a dot, in order. Links count as what they lead to; one that leads to nothing
    /// is a file, which cannot be read.
    init(of path: [UInt8]) throws(ImageDataError) {
        let name = String(decoding: path, as: UTF8.self)
        guard let stream = unsafe Self.withPath(path, { unsafe opendir($0) }) else {
            throw .unreadable(path: name, reason: ImageDataError.reason(errno))
        }
        defer { unsafe closedir(stream) }
        while true {
            errno = 0
            guard let entry = unsafe readdir(stream) else { break }
            let bytes = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { unsafe Array($0.prefix { $0 != 0 }) }
            if bytes.first == UInt8(ascii: ".") { continue }
            switch unsafe Int(entry.pointee.d_type) {
            case Int(DT_REG): files.append(bytes)
            case Int(DT_DIR): directories.append(bytes)
            default:
                if Self.isDirectory(path + [UInt8(ascii: "/")] + bytes) {
                    directories.append(bytes)
                } else {
                    files.append(bytes)
                }
            }
        }
        let code = errno
        guard code == 0 else { throw .unreadable(path: name, reason: ImageDataError.reason(code)) }
        files = files.reordered(files.sortedOrder())
        directories = directories.reordered(directories.sortedOrder())
    }

    private static func isDirectory(_ path: [UInt8]) -> Bool {
        var status = stat()
        return unsafe withPath(path) { unsafe stat($0, &status) } == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The device and number of a directory, by which a link that leads back is known.
    static func identity(_ path: [UInt8]) -> [UInt64]? {
        var status = stat()
        guard unsafe withPath(path, { unsafe stat($0, &status) }) == 0 else { return nil }
        return [UInt64(status.st_dev), UInt64(status.st_ino)]
    }

    /// Seconds and nanoseconds at which an entry was last added to a directory or taken from it.
    static func changed(_ path: [UInt8]) -> [Int]? {
        var status = stat()
        guard unsafe withPath(path, { unsafe stat($0, &status) }) == 0 else { return nil }
        return [status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
    }

    static func withPath<Result>(_ path: [UInt8], _ body: (UnsafePointer<CChar>) -> Result) -> Result {
        let terminated = path.map { CChar(bitPattern: $0) } + [0]
        return unsafe terminated.withUnsafeBufferPointer { unsafe body($0.baseAddress.unsafelyUnwrapped) }
    }
}
