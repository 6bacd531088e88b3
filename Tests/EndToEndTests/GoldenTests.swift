import Foundation
import TestSupport
import Testing

/// What all ranks do alike no comparison of ranks can find wrong.
///
/// The logs were written by scripts/fixtures/golden, which says how to renew them after a change that is meant to move
/// losses. They are compared bit by bit: with kernels of plain SSE2 every x86-64 processor adds and multiplies alike, and
/// the variants of libm for processors with and without fused multiply-add gave the same logs, as did one thread and three.
/// A difference of less than 1e-6 is rounding: another order of a sum, or another libm.
@Suite("Ten steps have the losses, norms and ranks they have always had")
struct GoldenTests {
    #if arch(x86_64)
        static let hasKernels = true
    #else
        static let hasKernels = false
    #endif

    private func lines(_ path: String) throws -> [[String: Double]] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
            try JSONDecoder().decode([String: Double].self, from: Data($0.utf8))
        }
    }

    @Test(
        "in fp32, in one process", .enabled(if: hasKernels, "kernels of other processors round otherwise"))
    func logs() throws {
        let folder = try TemporaryDirectory()
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../scripts/fixtures/golden").standardized.path
        let result = try Program.launch([script, folder.path, Program.path])
        #expect(result.exitCode == 0, "\(result.errors)")
        let golden = try #require(Bundle.module.path(forResource: "golden", ofType: nil, inDirectory: "Fixtures"))
        let names = try FileManager.default.contentsOfDirectory(atPath: golden).sorted()
        #expect(try names == folder.names && names.count == 2)
        for name in names {
            let (expected, found) = (try lines("\(golden)/\(name)"), try lines(folder.file(name)))
            #expect(expected.count == 10 && found.count == 10)
            for (old, new) in zip(expected, found) {
                #expect(old.keys.sorted() == new.keys.sorted())
                for (key, value) in old.sorted(by: { $0.key < $1.key }) where new[key] != value {
                    let difference = ((new[key] ?? .nan) - value) / value
                    Issue.record("\(name), step \(old["step"] ?? 0): \(key) is off by \(difference) of itself")
                }
            }
        }
    }
}
