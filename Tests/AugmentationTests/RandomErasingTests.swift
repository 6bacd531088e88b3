import Augmentation
import ImageCodecs
import Tensors
import Testing

@Suite("Random erasing")
struct RandomErasingTests {
    @Test("a part of the area and a ratio give timm's rectangle, or none where it does not fit")
    func sides() throws {
        let rows = try FineTuningFixture().rows("erase.box", of: 6)
        #expect(rows.count == 36)
        var missing = 0
        for row in rows {
            let found = RandomErasing.sides(part: row[0], ratio: row[1], in: ImageSize(row[2], row[3]))
            #expect(found ?? ImageSize(height: 0, width: 0) == ImageSize(row[4], row[5]), "\(row)")
            if found == nil { missing += 1 }
        }
        #expect(missing > 0)
    }

    private let size = ImageSize(height: 24, width: 20)

    /// Three channels of ones, and which of their pixels were erased.
    private func erased(_ erasing: RandomErasing, _ sample: Int, seed: UInt64 = 2) -> [Float] {
        let row = Matrix(rows: 1, columns: 3 * size.pixels)
        row.fill(100)
        erasing.erase(row, size, ImageAugmentation.Draw(seed: seed, epoch: 0, sample: sample))
        return row.array
    }

    @Test("erases one rectangle of all channels, as often as it shall, of the areas of timm")
    func rectangles() {
        let erasing = RandomErasing(probability: 0.25, mode: .const)
        var (areas, heights) = ([Double](), [Int]())
        for sample in 0..<4000 {
            let pixels = erased(erasing, sample)
            let places = (0..<size.pixels).filter { pixels[$0] == 0 }
            guard let first = places.first, let last = places.last else { continue }
            let (top, left) = (first / size.width, first % size.width)
            let (height, width) = (last / size.width - top + 1, last % size.width - left + 1)
            #expect(places.count == height * width, "a rectangle has no holes")
            #expect(pixels[...].enumerated().allSatisfy { ($1 == 0) == (pixels[$0 % size.pixels] == 0) })
            areas.append(Double(places.count) / Double(size.pixels))
            heights.append(height)
        }
        // Binomial: 1000 ± 27 standard; five of them. Sides are rounded: 0.02 of 480 may be 8 pixels.
        #expect(abs(areas.count - 1000) < 137)
        #expect(areas.allSatisfy { $0 > 0.012 && $0 < 0.37 })
        // Of timm's, 200,000 images of this size: 0.1737 ± 0.0028 for 1000, and 9.433 ± 0.138; five of each.
        #expect(abs(areas.reduce(0, +) / Double(areas.count) - 0.1737) < 0.014)
        #expect(abs(Double(heights.reduce(0, +)) / Double(heights.count) - 9.433) < 0.69)
    }

    @Test("colours are normal numbers: of each channel, or of each pixel")
    func colours() {
        let byChannel = erased(RandomErasing(probability: 1, mode: .rand), 5)
        let colours = (0..<3).map { channel in
            Set(byChannel[channel * size.pixels..<(channel + 1) * size.pixels].filter { $0 != 100 })
        }
        #expect(colours.allSatisfy { $0.count == 1 } && colours.reduce(Set()) { $0.union($1) }.count == 3)
        let byPixel = (0..<200).flatMap { erased(RandomErasing(probability: 1, mode: .pixel), $0) }.filter { $0 != 100 }
        let mean = byPixel.reduce(0) { $0 + Double($1) } / Double(byPixel.count)
        let square = byPixel.reduce(0) { $0 + Double($1 * $1) } / Double(byPixel.count)
        // Some 50,000 numbers: standard errors of 0.0045 and 0.0063; five of them.
        #expect(byPixel.count > 40_000 && abs(mean) < 0.023 && abs(square - 1) < 0.032)
        #expect(Set(byPixel).count > byPixel.count / 2)
    }

    @Test("draws belong to seed and sample, and several rectangles share the area of one")
    func several() {
        let erasing = RandomErasing(probability: 1, count: 4)
        #expect(erased(erasing, 1) == erased(erasing, 1))
        #expect(erased(erasing, 1) != erased(erasing, 2) && erased(erasing, 1) != erased(erasing, 1, seed: 3))
        let few = RandomErasing(probability: 1, mode: .const, count: 4)
        let areas = (0..<1000).map { sample in erased(few, sample)[..<size.pixels].count { $0 == 0 } }
        // No more than one rectangle alone may have, but for rounded sides.
        #expect(areas.allSatisfy { Double($0) < 0.42 * Double(size.pixels) })
        var random = SampleRandom(seed: 1, epoch: 0, sample: 0, purpose: .erasing)
        let quarter = (0..<500).compactMap { _ in RandomErasing.box(in: size, count: 4, &random)?.size.pixels }
        #expect(quarter.count == 500 && quarter.allSatisfy { Double($0) <= 0.11 * Double(size.pixels) })
    }
}
