package import Glibc

extension Directories {
    /// What is in a directory under one name, with the bytes that the file system has for it.
    package struct Entry: Sendable {
        package let name: [UInt8]
        /// Whether it is a directory, or a link that leads to one.
        package let isDirectory: Bool

        /// Passed over by programs that list files.
        package var isHidden: Bool { name.first == UInt8(ascii: ".") }
    }

    /// The entries of a directory but `.` and `..`, in no order; of the first `most` that the system names.
    package static func entries(in path: [UInt8], atMost most: Int = .max) throws(FileError) -> [Entry] {
        var entries: [Entry] = []
        try forEachName(in: path, atMost: most) { name, kind in
            let isDirectory =
                switch Int(kind) {
                case Int(DT_DIR): true
                case Int(DT_LNK), Int(DT_UNKNOWN): isDirectory(path + [UInt8(ascii: "/")] + name)
                default: false
                }
            entries.append(Entry(name: Array(name), isDirectory: isDirectory))
        }
        return entries
    }

    /// The names of a directory's entries, in no order; the first `most` that the system names.
    package static func names(in path: String, atMost most: Int = .max) throws(FileError) -> [String] {
        var names: [String] = []
        try forEachName(in: Array(path.utf8), atMost: most) { name, _ in
            names.append(String(decoding: name, as: UTF8.self))
        }
        return names
    }

    /// - Parameter body: gets a name and what the file system says at once of its kind, a `DT_` value.
    private static func forEachName(
        in path: [UInt8], atMost most: Int, _ body: (ArraySlice<UInt8>, UInt8) -> Void
    ) throws(FileError) {
        func failure(_ call: String, _ code: Int32) -> FileError {
            FileError(path: String(decoding: path, as: UTF8.self), .system(call: call, code: code))
        }
        guard let stream = unsafe withPath(path, { unsafe opendir($0) }) else { throw failure("opendir", errno) }
        defer { unsafe closedir(stream) }
        var count = 0
        while count < most {
            errno = 0
            guard let entry = unsafe readdir(stream) else {
                let code = errno
                if code != 0 { throw failure("readdir", code) }
                break
            }
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { unsafe Array($0.prefix { $0 != 0 }) }
            if name == [UInt8(ascii: ".")] || name == [UInt8(ascii: "."), UInt8(ascii: ".")] { continue }
            count += 1
            unsafe body(name[...], entry.pointee.d_type)
        }
    }

    private static func isDirectory(_ path: [UInt8]) -> Bool {
        status(of: path).map { $0.st_mode & S_IFMT == S_IFDIR } ?? false
    }

    // MARK: Paths that need not be UTF-8

    /// What stat(2) says of a path; nil where it fails, with `errno`.
    package static func status(of path: [UInt8]) -> stat? {
        var status = stat()
        return unsafe withPath(path) { unsafe stat($0, &status) } == 0 ? status : nil
    }

    /// Calls `body` with a path as C wants it.
    package static func withPath<Result>(_ path: [UInt8], _ body: (UnsafePointer<CChar>) -> Result) -> Result {
        let terminated = path.map { CChar(bitPattern: $0) } + [0]
        return unsafe terminated.withUnsafeBufferPointer { unsafe body($0.baseAddress.unsafelyUnwrapped) }
    }
}
