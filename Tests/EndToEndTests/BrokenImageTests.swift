import Foundation
import TestSupport
import Testing

@Suite("Images that cannot be decoded are skipped by all ranks alike", .serialized)
struct BrokenImageTests {
    private let folder: TemporaryDirectory
    /// One for each name, besides those that a test makes bad.
    private static let good = 56

    init() throws {
        folder = try TemporaryDirectory()
        for number in 0..<Self.good {
            try folder.write("data/class-\(number % 4)/\(number).png", Self.image(number))
        }
    }

    private static func image(_ number: Int) -> [UInt8] {
        pngBytes(width: 16 + number % 5, height: 18, patternBytes(54 * (16 + number % 5), salt: number))
    }

    /// Eight images that cannot be decoded, and some good ones of strange names.
    private func spoil() throws {
        let jpeg = try #require(try imageFixtures([".jpg"]).first { $0.name == "large.jpg" }).bytes
        let bad: [(String, [UInt8])] = [
            ("truncated.jpg", Array(jpeg.dropLast(200))), ("magic.jpg", Array("not an image".utf8)), ("empty.jpg", []),
            ("bomb.jpg", Self.bomb(jpeg)), ("page.png", Array("<html>".utf8)),
            ("a\nb.png", Array(Self.image(1).dropLast(30))),
        ]
        for (name, bytes) in bad { try folder.write("data/class-1/\(name)", bytes) }
        let files = FileManager.default
        // A directory is looked into, whatever it is called.
        try folder.write("data/class-1/x.jpg/inside.png", Self.image(3))
        for (name, target) in [("dangling.jpg", "nowhere"), ("circle.jpg", "circle.jpg"), ("x.jpg/back", "..")] {
            try files.createSymbolicLink(
                atPath: folder.file("data/class-1/\(name)"), withDestinationPath: target)
        }
        try folder.write("data/class-2/a b\t'\"\n$.png", Self.image(5))
        // A name that is no UTF-8.
        let name = Array(folder.file("data/class-3/").utf8) + [0xFF, 0xFE] + Array(".png".utf8) + [0]
        let source = try folder.write("image.png", Self.image(7))
        #expect(unsafe link(source, name.map { CChar(bitPattern: $0) }) == 0)
    }

    /// A file that claims 65,500 × 65,500 pixels.
    private static func bomb(_ jpeg: [UInt8]) -> [UInt8] {
        var bytes = jpeg
        // The frame's marker, its length and a byte of precision come before height and width.
        let frame = bytes.indices.first { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xC0 } ?? 0
        for place in [frame + 5, frame + 7] { (bytes[place], bytes[place + 1]) = (0xFF, 0xDC) }
        return bytes
    }

    private func arguments(_ name: String, _ more: [String] = []) -> [String] {
        SmallRun.arguments(folder.file(name), epochs: 2, batch: 16) + [
            "--data-path", folder.file("data"), "--in-chans", "3", "--deterministic", "--num-workers", "2",
            "--cache-dir", "",
        ] + more
    }

    private func notes(_ result: Program.Result) -> [String] {
        result.output.split(separator: "\n").filter { $0.contains("skipped") }.map(String.init)
    }

    @Test("the first are named and the others counted, and runs that are resumed within an epoch have the same bits")
    func skipped() throws {
        try spoil()
        let whole = try Program.run(arguments("whole"))
        #expect(whole.exitCode == 0, "\(whole.errors)")
        #expect(whole.output.contains("data     data, 67 images"), "\(whole.output)")
        // A split that is alone is not its own test set.
        #expect(!whole.output.contains("test accuracy"))
        let said = notes(whole)
        // Eight cannot be decoded. In the order of names.
        #expect(
            said.count == 4 && said.last?.hasSuffix("skipped 5 more images that cannot be decoded") == true, "\(said)")
        for (line, mention) in zip(
            said,
            [
                "a?b.png: is damaged: ",
                "bomb.jpg: declares 65500 × 65500 pixels, more than the 178956970 that are decoded",
                "circle.jpg: cannot be read: too many levels of symbolic links",
            ])
        {
            #expect(line.contains("note: skipped \(folder.file("data"))/class-1/\(mention)"), "\(line)")
        }
        let parts = try Program.run(arguments("parts", ["--checkpoint-every", "3steps"]), ranks: 2)
        #expect(parts.exitCode == 0, "\(parts.errors)")
        #expect(notes(parts) == said)
        let weights = { (name: String) in try SmallRun.weights(folder.file(name), step: 8, keyBiases: true) }
        #expect(try weights("parts") == weights("whole"))
        // Back to the third of the four steps of an epoch.
        for step in [6, 8] {
            try FileManager.default.removeItem(atPath: folder.file("parts/checkpoint-0000000\(step)"))
        }
        let resumed = try Program.run(arguments("parts", ["--resume", "auto"]), ranks: 2)
        #expect(resumed.exitCode == 0 && resumed.output.contains("checkpoint-00000003"), "\(resumed.errors)")
        #expect(try weights("parts") == weights("whole"))
    }

    @Test("also where features are evaluated on test images", arguments: ["skip", "fail"])
    func evaluated(action: String) throws {
        for number in 0..<24 {
            try folder.write("split/train/\(number % 4)/\(number).png", Self.image(number))
            try folder.write("split/val/\(number % 4)/\(number).png", Self.image(number + 30))
        }
        try folder.write("split/val/2/bad.png", Array(Self.image(1).dropLast(30)))
        let result = try Program.run(
            arguments("run", ["--data-path", folder.file("split"), "--on-bad-image", action]), ranks: 2,
            environment: Program.endingTogether)
        if action == "skip" {
            #expect(result.exitCode == 0 && result.output.contains("test accuracy"), "\(result.errors)")
        } else {
            #expect(result.exitCode == 1 && result.messages.count == 1, "\(result.errors)")
            #expect(result.messages.first?.contains("val/2/bad.png: is damaged") == true, "\(result.errors)")
        }
    }

    @Test("or the first ends the run", arguments: [nil, 2])
    func failing(ranks: Int?) throws {
        try spoil()
        let result = try Program.run(
            arguments("run", ["--on-bad-image", "fail"]), ranks: ranks, environment: Program.endingTogether)
        #expect(result.exitCode == 1 && result.messages.count == 1, "\(result.errors)")
        #expect(result.messages.first?.contains(folder.file("data/class-1/")) == true, "\(result.errors)")
    }

    @Test("too many of them end the run, which says so")
    func tooMany() throws {
        try spoil()
        for number in 0..<5 { try folder.write("data/class-0/bad-\(number).png", [UInt8(number)]) }
        let result = try Program.run(arguments("run"), ranks: 2, environment: Program.endingTogether)
        #expect(result.exitCode == 1 && result.messages.count == 1, "\(result.errors)")
        #expect(
            result.messages.first?.contains("11 images cannot be decoded, more than are skipped; the last: ") == true,
            "\(result.errors)")
    }

    @Test("an image that is taken away while a run trains is skipped, or ends it", arguments: ["skip", "fail"])
    func removed(action: String) throws {
        let gate = LogGate(in: folder)
        let result = try Program.run(
            arguments("run", ["--on-bad-image", action, "--epochs", "4"]), ranks: 2, environment: gate.environment
        ) { _ in
            try wait { fileExists(folder.file("run/log.txt")) }
            // More than two, of which an epoch may leave out some at its end.
            for number in 8..<16 {
                try FileManager.default.removeItem(atPath: folder.file("data/class-\(number % 4)/\(number).png"))
            }
            try gate.open()
        }
        let mention = "png: cannot be read: no such file or directory"
        if action == "fail" {
            // Either rank may be the first to meet one.
            #expect(result.exitCode == 1 && (1...2).contains(result.messages.count), "\(result.errors)")
            #expect(result.messages.allSatisfy { $0.contains(mention) }, "\(result.errors)")
        } else {
            #expect(result.exitCode == 0, "\(result.errors)")
            #expect(notes(result).count >= 3 && notes(result).first?.contains(mention) == true, "\(result.output)")
        }
    }
}
