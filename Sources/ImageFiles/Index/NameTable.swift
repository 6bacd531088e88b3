internal import Glibc

/// Many names in one block of memory: bytes as the file system has them, whether they are UTF-8 or not.
package struct NameTable: Hashable, Sendable {
    package private(set) var bytes: [UInt8] = []
    /// Where each name ends.
    package private(set) var ends: [Int] = []

    package init() {}

    /// - Parameter ends: ascending, the last one the number of bytes.
    init(bytes: [UInt8], ends: [Int]) {
        precondition(ends.last ?? 0 == bytes.count)
        self.bytes = bytes
        self.ends = ends
    }

    package var count: Int { ends.count }

    package mutating func append(_ name: some Sequence<UInt8>) {
        bytes.append(contentsOf: name)
        ends.append(bytes.count)
    }

    package mutating func append(_ name: String) { append(name.utf8) }

    package subscript(index: Int) -> ArraySlice<UInt8> {
        bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]]
    }

    /// A name for people; what is not UTF-8 in it is replaced.
    package func text(_ index: Int) -> String { String(decoding: self[index], as: UTF8.self) }

    /// The order of the names by their bytes, which for UTF-8 is that of Python's strings.
    package func sortedOrder() -> [Int] {
        (0..<count).sorted { self[$0].lexicographicallyPrecedes(self[$1]) }
    }

    package func reordered(_ order: [Int]) -> NameTable {
        var table = NameTable()
        table.bytes.reserveCapacity(bytes.count)
        table.ends.reserveCapacity(count)
        for index in order { table.append(self[index]) }
        return table
    }

    /// Each name without some of its bytes.
    package func mapped(_ change: (ArraySlice<UInt8>) -> ArraySlice<UInt8>) -> NameTable {
        var table = NameTable()
        for index in 0..<count { table.append(change(self[index])) }
        return table
    }

    package func index(of name: some Collection<UInt8>) -> Int? { (0..<count).first { self[$0].elementsEqual(name) } }
}
