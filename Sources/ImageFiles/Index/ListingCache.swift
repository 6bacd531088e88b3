internal import Glibc
internal import Host

/// Listings of data sets, kept from one run to the next.
///
/// A listing is used again while no directory that it was made of has got or lost an entry, and no archive has another size or
/// time: one question to the file system for each of them, not for each image.
package struct ListingCache: Sendable {
    private let directory: String
    private static var magic: [UInt8] { Array("UMAELIST".utf8) + [1, 0, 0, 0] }
    private static var largest: Int { 4 << 30 }
    /// A smaller data set is listed faster than its listing is looked up.
    private static var fewest: Int { 2_000 }

    package init(_ directory: String) { self.directory = directory }

    /// Where listings are kept unless somebody says so: nil where there is no home.
    package static func usual(environment: [String: String]) -> String? {
        if let cache = environment["XDG_CACHE_HOME"], cache.hasPrefix("/") { return "\(cache)/umae-dist" }
        return environment["HOME"].flatMap { $0.hasPrefix("/") ? "\($0)/.cache/umae-dist" : nil }
    }

    /// The listing that was kept of what `name` stands for, if it is still true.
    ///
    /// - Parameters:
    ///   - name: the path and whatever else decides what is listed.
    ///   - root: what the watched names are below.
    package func listing(of name: String, root: String) -> DatasetListing? {
        guard let bytes = try? TextFile.content(of: path(of: name), limit: Self.largest),
            bytes.starts(with: Self.magic), bytes.count > Self.magic.count + 12
        else { return nil }
        var checksum = Checksum()
        let checked = bytes.dropLast(4)
        unsafe checksum.add(checked.span.bytes)
        var last = ByteReader(bytes, at: bytes.count - 4)
        guard last.next() == checksum.value else { return nil }
        var reader = ByteReader(bytes, at: Self.magic.count)
        let count: UInt64 = reader.next()
        guard count <= UInt64(bytes.count / 8) else { return nil }
        let stamps: [Int64] = reader.next(Int(count))
        let start = Self.magic.count + 8 + 8 * Int(count)
        guard start <= bytes.count - 4, let listing = DatasetListing(decoding: Array(bytes[start..<bytes.count - 4]))
        else { return nil }
        return Self.stamps(listing.watched, root: root).map { $0 == stamps } ?? false ? listing : nil
    }

    /// Keeps a listing. What cannot be written is listed again the next time.
    ///
    /// - Parameter before: the stamps from before it was made, so that a change in the meantime is seen.
    package func keep(_ listing: DatasetListing, of name: String, root: String) {
        guard listing.index.count >= Self.fewest, let stamps = Self.stamps(listing.watched, root: root) else { return }
        // What was changed just now may change again within the same tick of the file system's clock.
        let now = Int64(time(nil))
        guard stride(from: 0, to: stamps.count, by: 3).allSatisfy({ stamps[$0] < now - 1 }) else { return }
        var writer = ByteWriter(Self.magic)
        writer.append([UInt64(stamps.count)])
        writer.append(stamps)
        writer.append(listing.encoded)
        var checksum = Checksum()
        let content = writer.bytes
        unsafe checksum.add(content.span.bytes)
        writer.append([checksum.value])
        try? Directories.createAll(directory)
        try? TextFile.replace(path(of: name), by: writer.bytes)
    }

    private func path(of name: String) -> String {
        var checksum = Checksum()
        let bytes = Array(name.utf8)
        unsafe checksum.add(bytes.span.bytes)
        let last = Directories.lastComponent(name).prefix(40).filter { $0.isASCII && ($0.isLetter || $0.isNumber) }
        return Directories.child(directory, "\(last)-\(String(checksum.value, radix: 16)).listing")
    }

    /// Seconds, nanoseconds and size of everything that is watched; nil if something is not there.
    private static func stamps(_ names: NameTable, root: String) -> [Int64]? {
        var stamps: [Int64] = []
        for index in 0..<names.count {
            let path = Array(root.utf8) + [UInt8(ascii: "/")] + names[index]
            guard let status = Directories.status(of: path) else { return nil }
            stamps += [Int64(status.st_mtim.tv_sec), Int64(status.st_mtim.tv_nsec), Int64(status.st_size)]
        }
        return stamps
    }
}
