internal import CTar
internal import Glibc
internal import Host
internal import ImageSources

/// The members of a tar, one after another, without their contents.
@safe
final class TarFile {
    struct Member {
        /// As tar would unpack it: below the current directory, whatever the archive says.
        var name: [UInt8]
        var isDirectory: Bool
        var isFile: Bool
        /// The earlier member whose bytes it shares.
        var linkTarget: [UInt8]?
        var isSparse: Bool
        /// Where its bytes begin in the archive.
        var offset: Int
        var size: Int
    }

    let path: String
    private let size: Int
    private let tar: OpaquePointer

    init(_ path: [UInt8]) throws(ImageDataError) {
        self.path = String(decoding: path, as: UTF8.self)
        guard let status = Directories.status(of: path) else {
            throw .unreadable(path: self.path, reason: ImageDataError.reason(errno))
        }
        size = Int(status.st_size)
        guard let tar = unsafe Directories.withPath(path, { unsafe umae_tar_open($0) }) else {
            throw .unreadable(path: self.path, reason: ImageDataError.reason(ENOMEM))
        }
        unsafe self.tar = tar
    }

    deinit { unsafe umae_tar_close(tar) }

    /// The next member; nil after the last one.
    func next() throws(ImageDataError) -> Member? {
        var found = unsafe umae_tar_member()
        switch unsafe umae_tar_next(tar, &found) {
        case 0: return nil
        case 1: break
        default: throw problem()
        }
        let member = unsafe Member(
            name: found.name.map { unsafe Self.unpackedName($0) } ?? [], isDirectory: found.is_directory != 0,
            isFile: found.is_file != 0, linkTarget: found.link.map { unsafe Self.unpackedName($0) },
            isSparse: found.is_sparse != 0, offset: Int(found.offset), size: Int(found.size))
        // libarchive passes over what is not there.
        guard member.size >= 0 && member.size <= size - member.offset else {
            throw .archive(path: path, .memberBeyondEnd(member: String(decoding: member.name, as: UTF8.self)))
        }
        return member
    }

    /// The content of the member that `next` gave last, at most `limit` bytes.
    func content(limit: Int) throws(ImageDataError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = unsafe bytes.withUnsafeMutableBufferPointer { unsafe umae_tar_read(tar, $0.baseAddress, $0.count) }
        guard count >= 0 else { throw problem() }
        return Array(bytes.prefix(Int(count)))
    }

    private func problem() -> ImageDataError {
        let text = unsafe String(cString: umae_tar_message(tar))
        return unsafe .archive(
            path: path, .damaged(position: Int(umae_tar_position(tar)), reason: text.lowercased()))
    }

    /// Without what leads out of the directory: tar drops all up to the last `..`, and slashes at the beginning.
    private static func unpackedName(_ name: UnsafePointer<CChar>) -> [UInt8] {
        let bytes = unsafe Array(UnsafeRawBufferPointer(start: name, count: strlen(name)))
        let parts = bytes.split(separator: UInt8(ascii: "/")).filter { !$0.elementsEqual(".".utf8) }
        let begin = parts.lastIndex { $0.elementsEqual("..".utf8) }.map { $0 + 1 } ?? 0
        return Array(parts[begin...].joined(separator: [UInt8(ascii: "/")]))
    }
}
