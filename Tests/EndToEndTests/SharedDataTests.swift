import Foundation
import TestSupport
import Testing

@Suite("The ranks of a host have one copy of the images between them", .serialized)
struct SharedDataTests {
    private static let perFile = 320

    /// 1600 images of CIFAR-10's form, in 4.7 MiB.
    private func write(_ folder: TemporaryDirectory, compressed: Bool) throws -> String {
        let records = (0..<Self.perFile).flatMap { [UInt8($0 % 10)] + patternBytes(3072, salt: $0) }
        for batch in 1...5 {
            let path = try folder.write("data/data_batch_\(batch).bin", records)
            if compressed { #expect(try Program.launch(["gzip", path]).exitCode == 0) }
        }
        return folder.file("data")
    }

    /// Bytes of a process's memory in files whose names contain `name`; pages of several processes in equal parts.
    private func proportionalSize(_ process: pid_t, _ name: String) throws -> Int {
        var (kibibytes, isMeant) = (0, false)
        for line in try systemFile("/proc/\(process)/smaps").split(separator: "\n") {
            let words = line.split(separator: " ")
            if words[0].contains("-") { isMeant = line.contains(name) }
            if isMeant && words[0] == "Pss:" { kibibytes += Int(words[1]) ?? 0 }
        }
        return kibibytes << 10
    }

    @Test("together they take little more memory than one", arguments: [false, true])
    func oneCopy(compressed: Bool) throws {
        let folder = try TemporaryDirectory()
        let data = try write(folder, compressed: compressed)
        let gate = LogGate(in: folder)
        let ranks = 8
        var sizes: [Int] = []
        let result = try Program.run(
            SmallRun.arguments(folder.file("run"), batch: 200) + ["--data-path", data, "--in-chans", "3"],
            ranks: ranks, environment: gate.environment
        ) { _ in
            let processes = try Ranks(count: ranks, of: folder.file("run"))
            // After an epoch each rank has seen its share of the images.
            try wait { fileExists(folder.file("run/log.txt")) }
            sizes = try (0..<ranks).map {
                try proportionalSize(processes[$0], "memfd:umae-dist")
            }
            try gate.open()
        }
        #expect(result.exitCode == 0, "\(result.errors)")
        let bytes = Double(5 * Self.perFile * 3073)
        let total = Double(sizes.reduce(0, +))
        #expect(total > 0.9 * bytes && total < 1.2 * bytes, "\(sizes) of \(bytes)")
        #expect(sizes.allSatisfy { $0 > 0 }, "\(sizes)")
        #expect(result.output.contains("data     cifar-10, 1600 images"))
    }
}
