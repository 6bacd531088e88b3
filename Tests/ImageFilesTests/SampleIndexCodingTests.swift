import Host
import ImageFiles
import ImageSources
import Testing
import TestSupport

@Suite("An index as bytes")
struct SampleIndexCodingTests {
    private static func table(_ names: [String]) -> NameTable {
        var table = NameTable()
        names.forEach { table.append($0) }
        return table
    }

    private static let names = table(["cat/1.jpg", "cat/line\nbreak.png", "dog/ä 2.JPEG"])

    private static var indices: [SampleIndex] {
        let places = (0..<3).map {
            SampleIndex.Place(file: UInt32($0 % 2), size: UInt32(10 + $0), offset: UInt64($0) << 40)
        }
        return [
            SampleIndex(names: names, labels: nil),
            SampleIndex(names: names, labels: [0, 0, 1], classes: table(["cat", "dog"])),
            SampleIndex(names: names, places: places, files: table(["a.tar", "b/c.tar"]), labels: [7, 0, 3]),
            SampleIndex(
                names: names, places: places, checksums: [1, .max, 3], files: table(["a.bin", "b.bin"]), labels: nil),
        ]
    }

    /// With the right checksum, so that what is wrong has to be noticed by what it says.
    private static func resealed(_ bytes: [UInt8], _ change: (inout [UInt8]) -> Void) -> [UInt8] {
        var bytes = Array(bytes.dropLast(4))
        change(&bytes)
        var checksum = Checksum()
        unsafe checksum.add(bytes.span.bytes)
        return bytes + [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: checksum.value >> $0) }
    }

    private static func error(_ bytes: [UInt8]) -> IndexFault? {
        thrownError { try SampleIndex(decoding: bytes) }
    }

    @Test("decodes to what was encoded", arguments: 0..<4)
    func roundTrip(number: Int) throws {
        let index = Self.indices[number]
        let decoded = try SampleIndex(decoding: index.encoded)
        #expect(decoded == index)
        #expect(decoded.identity == index.identity && decoded.classCount == index.classCount)
    }

    @Test("names that are not UTF-8 stay what they are")
    func rawNames() throws {
        var names = NameTable()
        names.append([0x66, 0xFF, 0xFE, 0x2E])
        let index = SampleIndex(names: names, labels: nil)
        #expect(try SampleIndex(decoding: index.encoded) == index)
    }

    @Test("any byte that changes is noticed", arguments: 0..<4)
    func flippedBytes(number: Int) {
        let bytes = Self.indices[number].encoded
        for place in bytes.indices {
            var damaged = bytes
            damaged[place] ^= 0x40
            #expect(Self.error(damaged) != nil, "byte \(place)")
        }
    }

    @Test("a part of an index is none", arguments: 0..<4)
    func cutOff(number: Int) {
        let bytes = Self.indices[number].encoded
        for count in 0..<bytes.count { #expect(Self.error(Array(bytes.prefix(count))) != nil, "\(count) bytes") }
        #expect(Self.error(bytes + [0]) == .wrongLength(expected: bytes.count, found: bytes.count + 1))
    }

    @Test("another version is named")
    func otherVersion() {
        #expect(Self.error(Self.resealed(Self.indices[0].encoded) { $0[8] = 2 }) == .otherVersion(2, known: 1))
    }

    /// Where the numbers of samples, files and classes stand, and the bytes of their names.
    @Test("numbers that no file can hold cost no memory", arguments: [16, 24, 32, 40, 48, 56])
    func hostileCounts(place: Int) {
        for value: UInt64 in [.max, 1 << 63, 1 << 61, 1 << 40, 1 << 20] {
            let bytes = Self.resealed(Self.indices[2].encoded) { bytes in
                for index in 0..<8 { bytes[place + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(index))) }
            }
            guard case .wrongLength = Self.error(bytes) else {
                Issue.record("\(value) at \(place) gave \(String(describing: Self.error(bytes)))")
                continue
            }
        }
    }

    @Test("lengths of names that do not add up are refused")
    func lengthsOfNames() {
        guard case .impossible = Self.error(Self.resealed(Self.indices[0].encoded, { $0[64] += 1 })) else {
            Issue.record("accepted")
            return
        }
    }

    @Test("places outside files, labels outside classes and paths that lead out are refused")
    func impossibleValues() {
        let place = SampleIndex.Place(file: 0, size: 9, offset: 0)
        let one = Self.table(["a.jpg"])
        let refused = [
            SampleIndex(names: one, places: [.init(file: 1, size: 9, offset: 0)], files: one, labels: nil),
            SampleIndex(names: one, places: [.init(file: 0, size: 9, offset: .max - 3)], files: one, labels: nil),
            SampleIndex(names: one, places: [.init(file: 0, size: 9, offset: 1 << 63 - 1)], files: one, labels: nil),
            SampleIndex(names: one, places: [place], labels: nil),
            SampleIndex(names: one, files: one, labels: nil),
            SampleIndex(names: one, labels: [-1]),
            SampleIndex(names: one, labels: [1], classes: one),
            SampleIndex(names: one, labels: [Int32(SampleIndex.mostClasses)]),
            SampleIndex(names: Self.table(["../a.jpg"]), labels: nil),
            SampleIndex(names: Self.table(["b/../../a.jpg"]), labels: nil),
            SampleIndex(names: Self.table(["/a.jpg"]), labels: nil),
            SampleIndex(names: Self.table(["a\0.jpg"]), labels: nil),
            SampleIndex(names: Self.table([""]), labels: nil),
            SampleIndex(names: one, places: [place], files: Self.table(["../a.tar"]), labels: nil),
        ]
        for (number, index) in refused.enumerated() {
            guard case .impossible = Self.error(index.encoded) else {
                Issue.record("\(number) was accepted")
                continue
            }
        }
        // The name of a member opens nothing.
        let members = SampleIndex(names: Self.table(["../a.jpg"]), places: [place], files: one, labels: nil)
        #expect(Self.error(members.encoded) == nil)
    }
}
