import Foundation
import TestSupport
import Testing

@Suite("--masks-per-image", .serialized)
struct MaskViewTests {
    private func log(_ path: String) throws -> [[String: Double]] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
            try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Double])
        }
    }

    @Test("trains on all views at any number of ranks, says how alike they are, and goes on with the same bits")
    func training() throws {
        let folder = try TemporaryDirectory()
        func run(_ name: String, ranks: Int? = nil, _ more: [String] = []) throws -> Program.Result {
            let result = try Program.run(
                SmallRun.arguments(folder.file(name), epochs: 2)
                    + ["--masks-per-image", "3", "--checkpoint-every", "1", "--deterministic"] + more, ranks: ranks)
            #expect(result.exitCode == 0, "\(result.errors)")
            return result
        }
        let alone = try run("alone")
        #expect(alone.output.contains("3 masks per image") && alone.output.contains("alignment"))
        _ = try run("four", ranks: 4)
        _ = try run("micro", ranks: 2)
        let lines = try log(folder.file("alone/log.txt"))
        #expect(lines.count == 2)
        for line in lines {
            let alignment = try #require(line["alignment"])
            #expect(alignment > 0.05 && alignment <= 1 && (line["train_acc"] ?? -1) <= 1)
        }
        let weights = try SmallRun.weights(folder.file("alone"), step: 40, keyBiases: true)
        for name in ["four", "micro"] {
            #expect(try SmallRun.weights(folder.file(name), step: 40, keyBiases: true) == weights, "\(name)")
            for (line, other) in zip(lines, try log(folder.file("\(name)/log.txt"))) {
                for (key, value) in line where key != "images_per_second" {
                    #expect(other[key] == value, "\(name) \(key)")
                }
            }
        }

        try FileManager.default.removeItem(atPath: folder.file("four/checkpoint-00000040"))
        _ = try run("four", ranks: 2, ["--resume", "auto"])
        #expect(try SmallRun.weights(folder.file("four"), step: 40, keyBiases: true) == weights)
    }

    @Test("one mask says nothing of views; more than 64 are refused; another number at resume is said")
    func ends() throws {
        let folder = try TemporaryDirectory()
        let one = try Program.run(SmallRun.arguments(folder.file("one")))
        #expect(!one.output.contains("alignment") && !one.output.contains("masks per image"))
        #expect(try log(folder.file("one/log.txt"))[0]["alignment"] == nil)
        let refused = try Program.run(SmallRun.arguments(folder.file("no")) + ["--masks_per_image", "65"])
        #expect(refused.exitCode != 0 && refused.errors.contains("--masks-per-image is 65"))
        let other = try Program.run(
            SmallRun.arguments(folder.file("one"), epochs: 2) + ["--masks_per_image", "2", "--resume", "auto"])
        #expect(other.exitCode == 0 && other.output.contains("--masks-per-image 1 in the checkpoint, 2 now"))
    }
}
