internal import Glibc
package import Host
package import ImageFiles
package import ImageSources

/// Shards brought to a disk of this host, where reading them costs less than over a network.
///
/// Files keep their names, below a directory that is named after where they come from; one that is there already, of the
/// same size and time of change, is not brought again.
package struct Staging: Sendable {
    private let source: EncodedImages
    private let shards: ShardFiles
    /// Where the files will be.
    package let directory: String

    package struct Outcome: Equatable, Sendable {
        package var copiedFiles = 0
        package var copiedBytes = 0
        package var keptFiles = 0

        package init(copiedFiles: Int = 0, copiedBytes: Int = 0, keptFiles: Int = 0) {
            self.copiedFiles = copiedFiles
            self.copiedBytes = copiedBytes
            self.keptFiles = keptFiles
        }
    }

    /// - Parameter directory: of this host; several data sets may be in it.
    /// - Returns: nil for images that each have a file of their own.
    package init?(of source: EncodedImages, in directory: String) {
        guard let shards = source.shards else { return nil }
        self.source = source
        self.shards = shards
        var checksum = Checksum()
        unsafe checksum.add(Array((Directories.resolved(shards.root) ?? shards.root).utf8).span.bytes)
        self.directory = Directories.child(
            directory, "\(source.name.filter { $0 != "/" })-\(String(checksum.value, radix: 16))")
    }

    /// What `copy` would bring, which is refused here as it is there.
    package func examine() throws(StagingError) -> Outcome {
        let missing = try missing()
        return Outcome(
            copiedFiles: missing.count, copiedBytes: Self.bytes(missing), keptFiles: shards.count - missing.count)
    }

    /// Brings what is not there. One process of a host calls it.
    ///
    /// - Parameter progress: is told bytes that have been copied, and how many there are to copy.
    /// - Throws: where there is not enough room, before anything is copied.
    package func copy(progress: (Int, Int) -> Void = { _, _ in }) throws(StagingError) -> Outcome {
        let missing = try missing()
        let needed = Self.bytes(missing)
        do throws(FileError) {
            try Directories.createAll(directory)
        } catch {
            throw .file(error)
        }
        var outcome = Outcome(keptFiles: shards.count - missing.count)
        for (number, status) in missing {
            do throws(FileError) {
                try copy(number, status) { progress(outcome.copiedBytes + $0, needed) }
            } catch {
                throw .file(error)
            }
            outcome.copiedFiles += 1
            outcome.copiedBytes += status.size
        }
        return outcome
    }

    /// The same images, read from where they were brought.
    package func opened() throws(ImageDataError) -> EncodedImages { try source.moved(to: directory) }

    /// The files that are not there, and fit. Nothing is changed by looking.
    private func missing() throws(StagingError) -> [(number: Int, status: FileStatus)] {
        do throws(FileError) {
            _ = try Directories.canHold(directory, flag: "staging")
        } catch {
            throw .file(error)
        }
        var missing: [(number: Int, status: FileStatus)] = []
        for number in 0..<shards.count {
            guard let status = FileStatus(shards.fullPath(number)) else {
                throw .file(FileError(path: shards.path(number), .system(call: "stat", code: errno)))
            }
            if FileStatus(target(number)) != status { missing.append((number, status)) }
        }
        try checkRoom(Self.bytes(missing))
        return missing
    }

    private static func bytes(_ files: [(number: Int, status: FileStatus)]) -> Int {
        files.reduce(0) { $0 + $1.status.size }
    }

    private func target(_ number: Int) -> [UInt8] { shards.fullPath(number, below: directory) }

    private func checkRoom(_ needed: Int) throws(StagingError) {
        var system = statvfs()
        var place = directory
        while !Directories.exists(place) && place != Directories.parent(of: place) {
            place = Directories.parent(of: place)
        }
        guard unsafe statvfs(place, &system) == 0 else { return }
        let free = Int(clamping: UInt64(system.f_bavail).multipliedReportingOverflow(by: UInt64(system.f_frsize)).0)
        guard needed <= free else { throw .noRoom(directory: directory, needed: needed, free: free) }
    }

    /// Under another name until it is whole, and with the time of the original, by which it is known again.
    private func copy(_ number: Int, _ status: FileStatus, progress: (Int) -> Void) throws(FileError) {
        let name = target(number)
        let text = String(decoding: name, as: UTF8.self)
        // Of a path only the last name comes from a directory's entries; what is before it was typed.
        try Directories.createAll(Directories.parent(of: text))
        let partial = name + Array(".\(getpid()).partial".utf8)
        do {
            let original = try OpenFile.reading(shards.fullPath(number))
            let copy = try OpenFile.creating(partial)
            var done = 0
            while done < status.size {
                let piece = try original.bytes(in: done..<min(done + (8 << 20), status.size))
                try unsafe copy.write(piece.span.bytes)
                done += piece.count
                progress(done)
            }
            let times = [status.changed, status.changed]
            try systemCall("futimens", copy.path) { unsafe futimens(copy.descriptor, times) }
            try systemCall("rename", copy.path) {
                unsafe Directories.withPath(partial) { (old) in
                    unsafe Directories.withPath(name) { unsafe rename(old, $0) }
                }
            }
        } catch {
            _ = unsafe Directories.withPath(partial) { unsafe unlink($0) }
            throw error
        }
    }
}

/// What tells a file from another version of it.
private struct FileStatus: Equatable {
    let size: Int
    let changed: timespec

    init?(_ path: [UInt8]) {
        guard let status = Directories.status(of: path), status.st_mode & S_IFMT == S_IFREG else { return nil }
        (size, changed) = (Int(status.st_size), status.st_mtim)
    }

    static func == (a: FileStatus, b: FileStatus) -> Bool {
        a.size == b.size && a.changed.tv_sec == b.changed.tv_sec && a.changed.tv_nsec == b.changed.tv_nsec
    }
}

/// Why shards cannot be brought to a host.
package enum StagingError: Error, Equatable, CustomStringConvertible {
    case file(FileError)
    case noRoom(directory: String, needed: Int, free: Int)

    package var description: String {
        switch self {
        case .file(let error): error.description
        case .noRoom(let directory, let needed, let free):
            "\(directory): has room for \(free >> 20) MiB, and the shards need \((needed >> 20) + 1) MiB more; "
                + "choose a larger disk, or read them where they are"
        }
    }
}
