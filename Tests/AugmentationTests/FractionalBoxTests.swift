import Augmentation
import Foundation
import ImageCodecs
import Tensors
import Testing
import TestSupport

@Suite("Resampling of parts whose edges lie within pixels")
struct FractionalBoxTests {
    @Test("equals Pillow 13's resize with a box, in every byte")
    func pillowParity() throws {
        let url = try #require(Bundle.module.url(forResource: "Fixtures/resampling-boxes", withExtension: "bin"))
        let bytes = [UInt8](try Data(contentsOf: url))
        let resampler = BicubicResampler()
        var position = 0
        func take(_ count: Int) -> [UInt8] {
            defer { position += count }
            return Array(bytes[position..<position + count])
        }
        func word(_ count: Int) -> UInt64 { take(count).reversed().reduce(0) { $0 << 8 | UInt64($1) } }
        var records = 0
        while position < bytes.count {
            let header = (0..<5).map { _ in Int(word(4)) }
            let box = (0..<4).map { _ in Double(bitPattern: word(8)) }
            let (old, new) = (
                ImageSize(height: header[1], width: header[2]), ImageSize(height: header[3], width: header[4])
            )
            let image = take(header[0] * old.pixels)
            let expected = take(header[0] * new.pixels)
            let memory = ImageBuffer().bytes(image.count)
            memory.copy(from: image)
            let part = DecodedPart(
                PixelView(planes: memory, old, channels: header[0]),
                FractionalBox(top: box[0], left: box[1], height: box[2], width: box[3]))
            let result = resampler.resample(part, to: new).planes
            #expect(result == expected, "\(old) \(box) to \(new)")
            records += 1
        }
        #expect(records == 6)
    }
}
