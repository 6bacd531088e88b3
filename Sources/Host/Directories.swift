import Glibc

/// Names in directories, and making their changes durable.
package enum Directories {
    package static func child(_ path: String, _ name: String) -> String {
        path.hasSuffix("/") ? path + name : "\(path)/\(name)"
    }

    package static func lastComponent(_ path: String) -> String {
        path.split(separator: "/").last.map(String.init) ?? path
    }

    package static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Whether there is a directory of this name, and not a link to one.
    package static func isDirectoryItself(_ path: String) -> Bool {
        var status = stat()
        return unsafe lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The absolute path without links; nil if there is nothing.
    package static func resolved(_ path: String) -> String? {
        guard let real = unsafe realpath(path, nil) else { return nil }
        defer { unsafe free(real) }
        return unsafe String(cString: real)
    }

    /// `name.abandoned` or the first of `name.abandoned-2`, … that is free.
    package static func freeName(_ name: String, in directory: String) -> String {
        let first = "\(name).abandoned"
        guard exists(child(directory, first)) else { return first }
        return (2...).lazy.map { "\(first)-\($0)" }.first { !exists(child(directory, $0)) } ?? first
    }

    package static func exists(_ path: String) -> Bool {
        var status = stat()
        return unsafe lstat(path, &status) == 0
    }

    package static func create(_ path: String) throws(FileError) {
        try systemCall("mkdir", path) { unsafe mkdir(path, 0o777) }
    }

    /// Creates a directory whose name must be free, and those above it that are missing.
    ///
    /// - Returns: false if somebody has the name.
    package static func createExclusively(_ path: String) throws(FileError) -> Bool {
        let parent = parent(of: path)
        try createAll(parent)
        do {
            try create(path)
        } catch let error where error.reason == .system(call: "mkdir", code: EEXIST) {
            return false
        }
        try sync(parent)
        return true
    }

    /// Whether a directory is there, one that can be written; false if there is nothing yet and it can be made.
    ///
    /// - Parameter flag: where the user gave the path.
    /// - Throws: `notADirectory`, or the reason why nothing can be written there.
    package static func canHold(_ path: String, flag: String) throws(FileError) -> Bool {
        var status = stat()
        if unsafe stat(path, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFDIR else { throw FileError(path: path, .notADirectory(flag)) }
            try systemCall("access", path) { unsafe access(path, W_OK | X_OK) }
            return true
        }
        let code = errno
        // A link that leads nowhere is no free name.
        guard code == ENOENT, !exists(path) else {
            throw FileError(path: path, .system(call: "stat", code: code))
        }
        _ = try canHold(parent(of: path), flag: flag)
        return false
    }

    /// Without slashes at its end, and with single ones within.
    package static func trimmed(_ path: String) -> String {
        (path.hasPrefix("/") ? "/" : "") + path.split(separator: "/").joined(separator: "/")
    }

    /// The directory that `path` is in.
    package static func parent(of path: String) -> String {
        let components = path.split(separator: "/")
        let joined = components.dropLast().joined(separator: "/")
        if path.hasPrefix("/") { return "/" + joined }
        return joined.isEmpty ? "." : joined
    }

    /// Creates `path` and those above it that are missing, durably.
    package static func createAll(_ path: String) throws(FileError) {
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

    package static func rename(_ old: String, to new: String) throws(FileError) {
        try systemCall("rename", old) { unsafe Glibc.rename(old, new) }
    }

    /// Makes creations, renamings and removals in the directory durable.
    package static func sync(_ path: String) throws(FileError) {
        let directory = try OpenFile.directory(path)
        do {
            try directory.sync()
        } catch let error where error.reason == .system(call: "fsync", code: EINVAL) {
            // Some network file systems know no sync of a directory and need none.
        }
    }

    /// Removes a directory and the files in it; what is in directories of it stays, and is an error.
    package static func remove(_ path: String) throws(FileError) {
        for name in try names(in: path) {
            let file = child(path, name)
            try systemCall("unlink", file) { unsafe unlink(file) }
        }
        try systemCall("rmdir", path) { unsafe rmdir(path) }
    }
}
