import Glibc
internal import Host

/// The sign that a directory has an owner: a lock on a file in it that the system takes back when the process ends, however
/// it ends, with the owner's host and process written inside.
///
/// On file systems that know no locks (flock(2) answers so) the file's age decides instead: its owner touches it every
/// `heartbeat`, and one that was not touched for `staleAfter` has no owner any more. That is also how a lock is told from
/// one that a network file system still holds for a host that is down: the message gives the age.
package final class DirectoryLock: @unchecked Sendable {
    package static var fileName: String { "run.lock" }
    /// Seconds.
    package static var heartbeat: Double { 30 }
    private static var staleAfter: Double { 300 }
    private static var tries: Int { 60 }

    private let path: String
    private let file: OpenFile
    /// Whether this process has the directory and the system does not know of it.
    private var isMarked = false

    /// Takes the directory.
    ///
    /// - Throws: `DirectoryLockError` that names who has it, or `FileError`.
    package init(directory: String) throws {
        path = Directories.child(directory, Self.fileName)
        file = try OpenFile.updating(path, creatingIfMissing: true)
        let answer = Self.lock(file.descriptor)
        if answer == .taken || answer == .unknown && Self.isFresh(path) {
            throw DirectoryLockError(directory: directory, owner: Self.owner(of: path))
        }
        guard try file.size() == 0 || Self.contents(of: path) != nil else {
            throw DirectoryLockError(
                description: "\(path): is kept: umae-dist did not write it; move it away, or choose another directory")
        }
        let text = Array("\(HostName.current) \(getpid())\n".utf8)
        let descriptor = file.descriptor
        try systemCall("ftruncate", path) { ftruncate(descriptor, 0) }
        try unsafe file.write(text.span.bytes)
        isMarked = answer == .unknown
    }

    deinit {
        // It would otherwise seem to be held for a while.
        if isMarked { _ = ftruncate(file.descriptor, 0) }
    }

    /// Who has the directory; nil if nobody has. Changes nothing.
    package static func owner(ofDirectory directory: String) -> String? {
        let path = Directories.child(directory, fileName)
        // Network file systems lock only files that are open for writing.
        guard let file = try? OpenFile.updating(path, creatingIfMissing: false) else { return nil }
        switch lock(file.descriptor) {
        case .free: return nil
        case .taken: return owner(of: path)
        case .unknown: return isFresh(path) ? owner(of: path) : nil
        }
    }

    /// Shows that the owner is there. To be called every `heartbeat`, also by another thread.
    package func touch() { _ = futimens(file.descriptor, nil) }

    private enum Answer { case free, taken, unknown }

    /// Tries for a few seconds: somebody may only be looking, or just about to end.
    private static func lock(_ descriptor: Int32) -> Answer {
        for _ in 0..<tries {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return .free }
            switch errno {
            case EINTR: continue
            case EWOULDBLOCK: usleep(50_000)
            default: return .unknown
            }
        }
        return .taken
    }

    /// Whether an owner has touched the file lately. An owner on this host is looked for itself.
    private static func isFresh(_ path: String) -> Bool {
        var status = stat()
        guard let words = contents(of: path), unsafe stat(path, &status) == 0 else { return false }
        if words[0] == HostName.current, let process = pid_t(words[1]) {
            return kill(process, 0) == 0 || errno == EPERM
        }
        return age(status) < staleAfter
    }

    private static func age(_ status: stat) -> Double {
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        return Double(now.tv_sec - status.st_mtim.tv_sec)
    }

    private static func contents(of path: String) -> [String]? {
        guard let bytes = try? TextFile.content(of: path, limit: 1 << 12) else { return nil }
        let words = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).map(String.init)
        return words.count == 2 ? words : nil
    }

    /// `process 4711 on node7, which showed itself 12 s ago`
    private static func owner(of path: String) -> String {
        var status = stat()
        guard let words = contents(of: path), unsafe stat(path, &status) == 0 else { return "another process" }
        return "process \(words[1]) on \(words[0]), which showed itself \(max(0, Int(age(status)))) s ago"
    }
}

/// A directory that somebody else has.
package struct DirectoryLockError: Error, CustomStringConvertible {
    package let description: String

    fileprivate init(description: String) { self.description = description.printable(limit: 2_000) }

    /// - Parameter owner: as `DirectoryLock.owner` describes it.
    init(directory: String, owner: String) {
        self.init(
            description:
                "\(directory): is in use by \(owner); wait until it has ended, or choose another directory. If it is "
                + "gone for good, remove \(DirectoryLock.fileName) there")
    }
}
