internal import CMemoryFile
import Glibc

/// Memory that processes of one host share, for content that each of them would otherwise make for itself: whoever asks for
/// it first makes it, and the others wait and find it made.
///
/// It is a file without a name, which is gone with the last process that has it, however that ends. It is locked while
/// something is made; the kernel takes the lock from a process that fails or dies, and what that one had begun each of the
/// others makes for itself.
package final class HostShare {
    /// What content is made of: a file, as it is now.
    package struct Key: Equatable, Sendable {
        package let device: UInt64
        package let file: UInt64
        /// When it was changed, in nanoseconds.
        package let changed: Int64
        /// Bytes of the content.
        package let count: Int

        package init(device: UInt64, file: UInt64, changed: Int64, count: Int) {
            self.device = device
            self.file = file
            self.changed = changed
            self.count = count
        }
    }

    /// The first page of the file is a table: a word that was drawn, then an entry for each content.
    private struct Entry {
        static var words: Int { 6 }
        static var most: Int { 64 }

        var state: State
        var key: Key
        var offset: Int

        enum State: Int64 { case free, begun, made }
    }

    /// Where another process finds the file.
    package struct Address: Equatable, Sendable {
        package let process: Int32
        package let descriptor: Int32
        /// By which the file is known: the number of a process may stand for another one in another container.
        package let mark: Int64

        package init(process: Int32, descriptor: Int32, mark: Int64) {
            self.process = process
            self.descriptor = descriptor
            self.mark = mark
        }
    }

    package let address: Address
    /// Whether this process made the file: one of those that share it, which answers for the memory whoever fills it.
    package let isOwner: Bool
    private let descriptor: Int32

    /// A new file; nil where the system has none.
    package init?() {
        descriptor = unsafe umae_memory_file("umae-dist")
        isOwner = true
        let mark = Int64.random(in: 1 ... .max)
        address = Address(process: getpid(), descriptor: descriptor, mark: mark)
        guard descriptor >= 0 else { return nil }
        guard write([mark], at: 0), ftruncate(descriptor, off_t(Self.pageSize)) == 0 else { return nil }
    }

    /// The file that another process has made and still holds open; nil where that is not to be seen from here.
    package init?(_ address: Address) {
        self.address = address
        isOwner = false
        // O_NONBLOCK: what another process has there may be a pipe.
        descriptor = unsafe open(
            "/proc/\(address.process)/fd/\(address.descriptor)", O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0, read(1, at: 0) == [address.mark] else { return nil }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// The content of that key, shared.
    ///
    /// - Parameters:
    ///   - part: 1 for content that may take whatever memory is left; 4 for what is only made where all that is shared then
    ///     takes a quarter, at most, of the memory that was there before.
    ///   - make: writes the content; called at most once.
    /// - Returns: nil, for all processes alike, and `make` has not been called, where that is too little memory; or where the
    ///   process that was at it failed.
    package func content<Failure: Error>(
        _ key: Key, ofMemory part: Int = 1, make: (inout MutableSpan<UInt8>) throws(Failure) -> Void
    ) throws(Failure) -> MappedFile? {
        guard key.count > 0, lock() else { return nil }
        defer { flock(descriptor, LOCK_UN) }
        for number in 0..<Entry.most {
            guard let entry = entry(number) else { return nil }
            switch entry.state {
            case .free: return try add(number, key, part, make)
            case .begun where entry.key == key: return nil
            case .made where entry.key == key:
                return MappedFile(descriptor, count: key.count, at: entry.offset)
            default: continue
            }
        }
        return nil
    }

    private func add<Failure: Error>(
        _ number: Int, _ key: Key, _ part: Int, _ make: (inout MutableSpan<UInt8>) throws(Failure) -> Void
    ) throws(Failure) -> MappedFile? {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { return nil }
        let offset = (Int(status.st_size) + Self.pageSize - 1) / Self.pageSize * Self.pageSize
        var entry = Entry(state: .begun, key: key, offset: offset)
        guard write(entry, number) else { return nil }
        // The system would rather end processes than refuse memory to such a file.
        let left = min(HostMemory().least, Int.max / 2)
        guard key.count <= left, part == 1 || key.count <= (left + offset) / part - offset else { return nil }
        // Reserved, so that memory that runs out is an error here and not a SIGBUS later.
        guard posix_fallocate(descriptor, off_t(offset), off_t(key.count)) == 0 else {
            return nil
        }
        guard let bytes = try MappedFile.filled(descriptor, count: key.count, at: offset, by: make) else { return nil }
        entry.state = .made
        // Where it cannot be noted, the others do without.
        _ = write(entry, number)
        return bytes
    }

    // MARK: The table

    private static var pageSize: Int { Int(getpagesize()) }

    private func lock() -> Bool {
        while flock(descriptor, LOCK_EX) != 0 { guard errno == EINTR else { return false } }
        return true
    }

    private static func place(_ number: Int) -> Int { (1 + number * Entry.words) * MemoryLayout<Int64>.stride }

    private func entry(_ number: Int) -> Entry? {
        guard let words = read(Entry.words, at: Self.place(number)), let state = Entry.State(rawValue: words[0]) else {
            return nil
        }
        let key = Key(
            device: UInt64(bitPattern: words[1]), file: UInt64(bitPattern: words[2]), changed: words[3],
            count: Int(words[4]))
        return Entry(state: state, key: key, offset: Int(words[5]))
    }

    private func write(_ entry: Entry, _ number: Int) -> Bool {
        let key = entry.key
        return write(
            [
                entry.state.rawValue, Int64(bitPattern: key.device), Int64(bitPattern: key.file), key.changed,
                Int64(key.count), Int64(entry.offset),
            ], at: Self.place(number))
    }

    private func read(_ count: Int, at position: Int) -> [Int64]? {
        var words = [Int64](repeating: 0, count: count)
        let bytes = count * MemoryLayout<Int64>.stride
        return unsafe pread(descriptor, &words, bytes, off_t(position)) == bytes ? words : nil
    }

    private func write(_ words: [Int64], at position: Int) -> Bool {
        let bytes = words.count * MemoryLayout<Int64>.stride
        return unsafe pwrite(descriptor, words, bytes, off_t(position)) == bytes
    }
}
