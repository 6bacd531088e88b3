import Glibc

/// Names in directories, and making their changes durable.
enum Directories {
    static func child(_ path: String, _ name: String) -> String {
        path.hasSuffix("/") ? path + name : "\(path)/\(name)"
    }

    static func lastComponent(_ path: String) -> String {
        path.split(separator: "/").last.map(String.init) ?? path
    }

    static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    static func exists(_ path: String) -> Bool {
        var status = stat()
        return unsafe lstat(path, &status) == 0
    }

    static func create(_ path: String) throws(CheckpointError) {
        try systemCall("mkdir", path) { unsafe mkdir(path, 0o777) }
    }

    /// Creates `path` and those above it that are missing, durably.
    static func createAll(_ path: String) throws(CheckpointError) {
        if isDirectory(path) { return }
        let components = path.split(separator: "/").map(String.init)
        var current = path.hasPrefix("/") ? "/" : "."
        for component in components {
            let parent = current
            current = child(current, component)
            if isDirectory(current) { continue }
            do {
                try create(current)
            } catch let error where error.reason == .system(call: "mkdir", code: EEXIST) && isDirectory(current) {
                // Another process made it in the meantime.
                continue
            }
            try sync(parent)
        }
    }

    /// The entries of a directory, in no order.
    static func names(in path: String) throws(CheckpointError) -> [String] {
        guard let stream = unsafe opendir(path) else {
            throw CheckpointError(path: path, .system(call: "opendir", code: errno))
        }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = unsafe readdir(stream) else { break }
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
        let code = errno
        if code != 0 { throw CheckpointError(path: path, .system(call: "readdir", code: code)) }
        return names
    }

    static func rename(_ old: String, to new: String) throws(CheckpointError) {
        try systemCall("rename", old) { unsafe Glibc.rename(old, new) }
    }

    /// Makes creations, renamings and removals in the directory durable.
    static func sync(_ path: String) throws(CheckpointError) {
        let directory = try OpenFile.directory(path)
        do {
            try directory.sync()
        } catch let error where error.reason == .system(call: "fsync", code: EINVAL) {
            // Some network file systems know no sync of a directory and need none.
        }
    }

    /// Removes a directory and the files in it; what is in directories of it stays, and is an error.
    static func remove(_ path: String) throws(CheckpointError) {
        for name in try names(in: path) {
            let file = child(path, name)
            try systemCall("unlink", file) { unsafe unlink(file) }
        }
        try systemCall("rmdir", path) { unsafe rmdir(path) }
    }
}
