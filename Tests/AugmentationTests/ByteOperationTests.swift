import Augmentation
import Foundation
import ImageCodecs
import Tensors
import TestSupport
import Testing

@Suite("Operations on the bytes of an image")
struct ByteOperationTests {
    /// The fill colour of scripts/fixtures/augmentation_finetune.py.
    static let fill: [UInt8] = [124, 116, 104]

    private struct Picture {
        let channels: Int
        let size: ImageSize
        let planes: [UInt8]

        var view: PixelView {
            let memory = ImageBuffer().bytes(planes.count)
            memory.copy(from: planes)
            return PixelView(planes: memory, size, channels: channels)
        }
    }

    private struct Record {
        let name: String
        let argument: Double
        let picture: Picture
        let expected: [UInt8]

        var operation: ByteOperation? {
            switch name {
            case "autoContrast": .autoContrast
            case "equalize": .equalize
            case "invert": .invert
            case "posterize": .posterize(bits: Int(argument))
            case "solarize": .solarize(threshold: Int(argument))
            case "solarizeAdd": .solarizeAdd(Int(argument))
            case "rotate": .rotate(argument)
            case "shearX": .shearX(argument)
            case "shearY": .shearY(argument)
            case "translateX": .translateX(argument)
            case "translateY": .translateY(argument)
            case "color": .color(argument)
            case "contrast": .contrast(argument)
            case "brightness": .brightness(argument)
            case "sharpness": .sharpness(argument)
            default: nil
            }
        }
    }

    private func records() throws -> [Record] {
        let url = try #require(Bundle.module.url(forResource: "Fixtures/operations", withExtension: "bin"))
        let bytes = [UInt8](try Data(contentsOf: url))
        var position = 0
        func take(_ count: Int) -> [UInt8] {
            defer { position += count }
            return Array(bytes[position..<position + count])
        }
        func number(_ count: Int) -> UInt64 { take(count).reversed().reduce(0) { $0 << 8 | UInt64($1) } }
        let pictures = (0..<Int(number(4))).map { _ in
            let (channels, height, width) = (Int(number(4)), Int(number(4)), Int(number(4)))
            return Picture(
                channels: channels, size: ImageSize(height: height, width: width),
                planes: take(channels * height * width))
        }
        var records: [Record] = []
        while position < bytes.count {
            let name = String(decoding: take(16), as: UTF8.self).trimmingCharacters(in: .whitespaces)
            let argument = Double(bitPattern: number(8))
            let picture = pictures[Int(number(4))]
            records.append(
                Record(name: name, argument: argument, picture: picture, expected: take(picture.planes.count)))
        }
        return records
    }

    @Test("equal Pillow's in every byte, in colour and grey, with one canvas for all images")
    func pillowParity() throws {
        let records = try records()
        #expect(records.count == 4 * 37 && Set(records.map(\.name)).count == 15)
        let canvas = ByteCanvas()
        // Twice, in opposite orders: nothing is left over from the image before.
        for record in records + records.reversed() {
            canvas.take(record.picture.view, mirrored: false)
            canvas.apply(try #require(record.operation), fill: Self.fill)
            let wrong = zip(canvas.view.planes, record.expected).count { $0 != $1 }
            #expect(wrong == 0, "\(record.name) \(record.argument) of \(record.picture.size)")
        }
    }

    @Test("a mirrored image is taken from the right, of any layout")
    func mirrored() throws {
        let size = ImageSize(height: 3, width: 4)
        let memory = ImageBuffer().bytes(4 * size.pixels)
        memory.copy(from: patternBytes(4 * size.pixels))
        let view = unsafe PixelView(
            memory.pointer, of: memory.storage, size, channels: 3, layout: .rgbx, rowBytes: 4 * size.width)
        let canvas = ByteCanvas()
        canvas.take(view, mirrored: false)
        #expect(canvas.view.planes == view.planes)
        canvas.take(view, mirrored: true)
        for channel in 0..<3 {
            for row in 0..<3 {
                for column in 0..<4 {
                    let found = canvas.view[row, column, channel: channel]
                    #expect(found == view[row, 3 - column, channel: channel])
                }
            }
        }
    }

    @Test("without any bits an image is black")
    func noBits() throws {
        let picture = Picture(channels: 1, size: ImageSize(height: 1, width: 3), planes: [0, 130, 255])
        let canvas = ByteCanvas()
        canvas.take(picture.view, mirrored: false)
        canvas.apply(.posterize(bits: 0), fill: [0])
        #expect(canvas.view.planes == [0, 0, 0])
    }
}
