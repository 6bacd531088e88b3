internal import Communication
internal import Host

extension Timeline {
    /// Looks whether a timeline can be written, and changes nothing.
    ///
    /// - Parameter runDirectory: a directory that will be there by then.
    /// - Throws: one line that says why not: there is no such place, or a file that is no timeline.
    package static func examine(_ path: String, besides runDirectory: String? = nil) throws {
        guard !Directories.isDirectory(path) else {
            throw SettingsError("--timeline: \(path) is a directory: name a file")
        }
        let parent = Directories.parent(of: path)
        guard try Directories.canHold(parent, flag: "--timeline") || parent == runDirectory.map(Directories.trimmed)
        else {
            throw SettingsError(
                "--timeline: there is no directory \(parent) to write \(path) in: make it, or choose another")
        }
        guard Directories.exists(path), let beginning = TextFile.beginning(of: path, count: 200), !beginning.isEmpty
        else { return }
        guard String(decoding: beginning, as: UTF8.self).contains("traceEvents") else {
            throw SettingsError(
                "--timeline: \(path) is there and is no timeline, and would be lost: choose another name, or move it away"
            )
        }
    }
}
