internal import Glibc
internal import Host
package import ImageSources

/// What is in a directory, with names as the file system has them.
package struct DirectoryEntries {
    package let files: NameTable
    package let directories: NameTable

    /// The entries whose names do not begin with a dot, in order. Links count as what they lead to; one that leads to nothing
    /// is a file, which cannot be read.
    package init(of path: [UInt8]) throws(ImageDataError) {
        let entries: [Directories.Entry]
        do throws(FileError) {
            entries = try Directories.entries(in: path).filter { !$0.isHidden }
        } catch {
            guard case .system(_, let code) = error.reason else { preconditionFailure("\(error)") }
            throw .unreadable(path: error.path, reason: ImageDataError.reason(code))
        }
        var (files, directories) = (NameTable(), NameTable())
        for entry in entries {
            if entry.isDirectory { directories.append(entry.name) } else { files.append(entry.name) }
        }
        self.files = files.reordered(files.sortedOrder())
        self.directories = directories.reordered(directories.sortedOrder())
    }

    /// The device and number of a directory, by which a link that leads back is known.
    static func identity(_ path: [UInt8]) -> [UInt64]? {
        Directories.status(of: path).map { [UInt64($0.st_dev), UInt64($0.st_ino)] }
    }
}
