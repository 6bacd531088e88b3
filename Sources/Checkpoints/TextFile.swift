import Glibc

/// Small files of text, whole or not written.
package enum TextFile {
    /// Adds to the end of a file, which is created if it is missing; where that fails the file is as it was.
    package static func append(_ text: String, to path: String) throws(CheckpointError) {
        let file = try OpenFile.appending(path)
        let size = try file.size()
        do {
            try write(text, to: file)
        } catch {
            // A disk that fills up may have taken the beginning of it.
            _ = ftruncate(file.descriptor, off_t(size))
            throw error
        }
    }

    /// Puts a new file in the place of the one that is there.
    package static func replace(_ path: String, by text: String) throws(CheckpointError) {
        let partial = path + ".partial"
        do {
            let file = try OpenFile.writing(partial)
            try write(text, to: file)
            try file.sync()
            try Directories.rename(partial, to: path)
        } catch {
            unsafe unlink(partial)
            throw error
        }
    }

    private static func write(_ text: String, to file: borrowing OpenFile) throws(CheckpointError) {
        let bytes = Array(text.utf8)
        try unsafe file.write(bytes.span.bytes)
    }
}
