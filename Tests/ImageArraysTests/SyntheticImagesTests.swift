import ImageArrays
import ImageCodecs
import ImageSources
import Testing
import TestSupport

@Suite("Synthetic images")
struct SyntheticImagesTests {
    private func source(
        count: Int = 40, seed: UInt64 = 3, split: ImageDataset.Split = .train, classCount: Int = 7
    ) throws -> any ImageSource {
        try ImageDataset.open(
            path: "synthetic", split: split,
            synthetic: SyntheticImageParameters(
                count: count, channels: 2, size: ImageSize(height: 9, width: 11), classCount: classCount, seed: seed))
    }

    @Test("the same parameters make the same images, others make others")
    func determinism() throws {
        let first = try source()
        let again = try source()
        #expect(first.count == 40 && first.channels == 2 && first.classCount == 7)
        #expect(first.identity == again.identity)
        for index in 0..<40 { #expect(try pixels(first, index) == pixels(again, index)) }
        #expect(try pixels(first, 0) != pixels(first, 1))
        #expect(try source(seed: 4).identity != first.identity)
        #expect(try source(split: .test).identity != first.identity)
        #expect(try source(count: 41).identity != first.identity)
    }

    @Test("labels go round the classes, also where images repeat")
    func labels() throws {
        let source = try source(count: 1_000_000)
        for index in [0, 6, 7, 4095, 4096, 123_456, 999_999] { #expect(source.label(at: index) == index % 7) }
        #expect(try pixels(source, 4095) == pixels(source, 0))
    }

    @Test("images fill the range of a byte without leaving it at one value")
    func range() throws {
        let values = try pixels(source(), 5)
        #expect(Set(values).count > 50)
    }

    @Test("impossible parameters are refused", arguments: [0, -1])
    func refused(bad: Int) {
        #expect(throws: ImageDataError.self) { try source(count: bad) }
        #expect(throws: ImageDataError.self) { try source(classCount: bad) }
        #expect(throws: ImageDataError.self) { try source(classCount: 1 << 40) }
    }
}
