internal import Host
package import ImageFiles
package import ImageSources

/// A directory that `umae-dist pack` has written: images in a few large files, and an index of them with a CRC-32 of each.
package enum Pack {
    static var indexName: String { "index.umae" }

    /// That of more images than there are in any data set, and less than the memory of a host.
    private static var largestIndex: Int { 4 << 30 }

    static func shardName(_ number: Int) -> String {
        let digits = String(number)
        return "shard-" + String(repeating: "0", count: max(5 - digits.count, 0)) + digits + ".bin"
    }

    /// - Returns: nil where the directory holds no pack.
    package static func open(path: String) throws(ImageDataError) -> EncodedImages? {
        let file = Directories.child(path, indexName)
        guard try FileKind.isFile(file) else { return nil }
        let bytes = try content(of: file)
        let index: SampleIndex
        do throws(IndexFault) {
            index = try SampleIndex(decoding: bytes)
            guard index.places != nil, index.checksums != nil else { throw .impossible("it is not that of a pack") }
        } catch {
            throw .badIndex(path: file, error)
        }
        return try EncodedImages(
            name: EncodedImages.name(of: path), root: path, index: index,
            form: "pack of \(counted(index.files.count, "file"))")
    }

    private static func content(of file: String) throws(ImageDataError) -> [UInt8] {
        do throws(FileError) {
            return try TextFile.content(of: file, limit: largestIndex)
        } catch {
            guard case .system(_, let code) = error.reason else {
                throw .badIndex(path: file, .impossible("it is too large, or became shorter while it was read"))
            }
            throw .unreadable(path: file, reason: ImageDataError.reason(code))
        }
    }
}
