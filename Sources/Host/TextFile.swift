import Glibc

/// Small files, read as a whole, and written as a whole or not at all.
package enum TextFile {
    /// Adds to the end of a file, which is created if it is missing; where that fails the file is as it was.
    package static func append(_ text: String, to path: String) throws(FileError) {
        let file = try OpenFile.appending(path)
        let size = try file.size()
        do {
            try write(Array(text.utf8), to: file)
        } catch {
            // A disk that fills up may have taken the beginning of it.
            _ = ftruncate(file.descriptor, off_t(size))
            throw error
        }
    }

    /// Puts a new file in the place of the one that is there; where that is a link, of the one that it leads to.
    package static func replace(_ path: String, by text: String) throws(FileError) {
        try replace(path, by: Array(text.utf8))
    }

    package static func replace(_ path: String, by content: [UInt8]) throws(FileError) {
        let target = Directories.resolved(path) ?? path
        // A name that nobody else has: two processes may be at it, and a file of a person may be called anything.
        let partial = "\(target).\(getpid()).partial"
        let file = try OpenFile.creating(Array(partial.utf8))
        do {
            try write(content, to: file)
            try file.sync()
            try Directories.rename(partial, to: target)
        } catch {
            unsafe unlink(partial)
            throw error
        }
    }

    /// The beginning of a file, at most `count` bytes; nil if it cannot be read.
    package static func beginning(of path: String, count: Int) -> [UInt8]? {
        guard let file = try? OpenFile.reading(path), let size = try? file.size() else { return nil }
        return try? file.bytes(in: 0..<min(size, count))
    }

    /// The whole content of a file.
    ///
    /// - Throws: `tooLarge` beyond `limit` bytes, or it cannot be read.
    package static func content(of path: String, limit: Int) throws(FileError) -> [UInt8] {
        try OpenFile.reading(path).content(limit: limit)
    }

    /// The whole text of a file, nil if it cannot be read.
    package static func text(of path: String) -> String? {
        guard let bytes = try? content(of: path, limit: 1 << 24) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func write(_ bytes: [UInt8], to file: borrowing OpenFile) throws(FileError) {
        try unsafe file.write(bytes.span.bytes)
    }
}
