internal import Checkpoints
internal import Models

extension Timeline {
    /// Looks whether a timeline can be written, and changes nothing.
    ///
    /// - Throws: one line that says why not: there is no such place, or a file that is no timeline.
    package static func examine(_ path: String) throws {
        guard !Directories.isDirectory(path) else {
            throw ModelError("--timeline: \(path) is a directory: name a file")
        }
        _ = try Directories.canHold(Directories.parent(of: path), flag: "--timeline")
        guard Directories.exists(path), let beginning = TextFile.beginning(of: path, count: 200), !beginning.isEmpty
        else { return }
        guard String(decoding: beginning, as: UTF8.self).contains("traceEvents") else {
            throw ModelError(
                "--timeline: \(path) is there and is no timeline, and would be lost: choose another name, or move it away"
            )
        }
    }
}
