internal import Glibc
internal import Host
internal import ImageCodecs
internal import ImageSources
internal import Tensors

/// Files that hold many images each, read at offsets by several threads at once. A file is opened when it is first read; of
/// very many, those that have not been read for longest are closed again.
package final class ShardFiles: @unchecked Sendable {
    package let root: String
    private let names: NameTable
    private let lock = ConditionLock()
    /// One for each file; −1 where it is closed.
    private var descriptors: [Int32]
    /// Threads that are reading a file, which must stay open.
    private var readers: [Int32]
    private var lastUse: [UInt64]
    private var uses: UInt64 = 0
    /// Files that are open.
    private var open: [Int] = []

    /// Few enough for the usual limit of 1024 descriptors.
    static var mostOpen: Int { 128 }

    /// - Parameters:
    ///   - root: the directory that the names of `files` are in.
    ///   - places: all lie in files that are there, or an error names the first that does not.
    init(root: String, files: NameTable, places: [SampleIndex.Place]) throws(ImageDataError) {
        self.root = root
        names = files
        descriptors = Array(repeating: -1, count: files.count)
        readers = Array(repeating: 0, count: files.count)
        lastUse = Array(repeating: 0, count: files.count)
        open.reserveCapacity(Self.mostOpen + 1)
        var ends = [UInt64](repeating: 0, count: files.count)
        for place in places {
            guard let end = place.end else { throw .unreadable(path: root, reason: "an image lies beyond any file") }
            ends[Int(place.file)] = max(ends[Int(place.file)], end)
        }
        for number in 0..<files.count {
            guard let status = Directories.status(of: fullPath(number)) else {
                throw .unreadable(path: path(number), reason: ImageDataError.reason(errno))
            }
            guard UInt64(status.st_size) >= ends[number] else {
                throw .truncated(
                    path: path(number), expectedBytes: Int(ends[number]), foundBytes: Int(status.st_size))
            }
        }
    }

    deinit { for number in open { close(descriptors[number]) } }

    package var count: Int { names.count }
    package func name(_ number: Int) -> String { names.text(number) }
    package func path(_ number: Int) -> String { String(decoding: fullPath(number), as: UTF8.self) }

    private func fullPath(_ number: Int) -> [UInt8] {
        Array(root.utf8) + (root.hasSuffix("/") ? [] : [UInt8(ascii: "/")]) + names[number]
    }

    /// The bytes of an image, in the buffer's room for encoded images.
    func content(at place: SampleIndex.Place, into buffer: ImageBuffer) throws(ImageDataError) -> MatrixView<UInt8> {
        let (file, size) = (Int(place.file), Int(place.size))
        let descriptor = try borrow(file)
        defer { giveBack(file) }
        let bytes = buffer.encoded(size)
        guard let taken = bytes.fill(from: descriptor, at: Int(place.offset)) else {
            throw .unreadable(path: path(file), reason: ImageDataError.reason(errno))
        }
        guard taken == size else {
            throw .truncated(
                path: path(file), expectedBytes: Int(place.offset) + size, foundBytes: Int(place.offset) + taken)
        }
        return bytes
    }

    /// Tells the system that a part of a file will be read. Whether it can be is found out by reading it.
    func willRead(file: Int, offset: UInt64, count: UInt64) {
        guard let descriptor = try? borrow(file) else { return }
        posix_fadvise(descriptor, off_t(offset), off_t(count), POSIX_FADV_WILLNEED)
        giveBack(file)
    }

    // MARK: Descriptors

    private func borrow(_ file: Int) throws(ImageDataError) -> Int32 {
        lock.lock()
        defer { lock.unlock() }
        uses += 1
        lastUse[file] = uses
        if descriptors[file] < 0 {
            if open.count >= Self.mostOpen { closeOldest() }
            // O_NONBLOCK: a pipe of that name would hold up the program.
            let descriptor = unsafe Directories.withPath(fullPath(file)) {
                unsafe Glibc.open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
            }
            guard descriptor >= 0 else { throw .unreadable(path: path(file), reason: ImageDataError.reason(errno)) }
            descriptors[file] = descriptor
            open.append(file)
        }
        readers[file] += 1
        return descriptors[file]
    }

    private func giveBack(_ file: Int) {
        lock.lock()
        readers[file] -= 1
        lock.unlock()
    }

    /// Where all are being read, one more is open for a while.
    private func closeOldest() {
        var oldest: Int?
        for (place, file) in open.enumerated() where readers[file] == 0 {
            if oldest.map({ lastUse[file] < lastUse[open[$0]] }) ?? true { oldest = place }
        }
        guard let oldest else { return }
        let file = open[oldest]
        close(descriptors[file])
        descriptors[file] = -1
        open.swapAt(oldest, open.count - 1)
        open.removeLast()
    }
}
