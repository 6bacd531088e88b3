import Foundation
import Tensors
import TestSupport
import Testing

@Suite("bf16 trains as fp32 does, where the CPU has it", .serialized)
struct PrecisionTests {
    private struct Line: Decodable {
        let train_loss_mae: Double
        let train_loss_reg: Double
        let epoch: Int
    }

    private func log(_ run: String) throws -> [Line] {
        try String(contentsOfFile: "\(run)/log.txt", encoding: .utf8).split(separator: "\n")
            .map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
    }

    /// Roundings of single steps do not pile up: each step's gradient is off by about 1% in a direction of its own.
    @Test("200 steps: the loss of each 20 stays within 0.2% of fp32's", .enabled(if: VectorKernels.hasFastBFloat16))
    func trajectory() throws {
        let folder = try TemporaryDirectory()
        let arguments = { (name: String) in SmallRun.arguments(folder.file(name), epochs: 10, images: 640, batch: 32) }
        for precision in ["fp32", "bf16"] {
            let result = try Program.run(arguments(precision) + ["--precision", precision], ranks: 2)
            #expect(result.exitCode == 0, "\(result.errors)")
        }
        let (exact, rounded) = (try log(folder.file("fp32")), try log(folder.file("bf16")))
        #expect(exact.count == 10 && rounded.count == 10)
        for (a, b) in zip(exact, rounded) {
            #expect(abs(b.train_loss_mae / a.train_loss_mae - 1) < 0.002, "epoch \(a.epoch)")
            #expect(abs(b.train_loss_reg / a.train_loss_reg - 1) < 0.01, "epoch \(a.epoch)")
        }
        // The run learnt far more than the band is wide.
        #expect((exact.last?.train_loss_mae ?? 1) < 0.9 * (exact.first?.train_loss_mae ?? 0))
        // And it was another precision.
        #expect(exact.map(\.train_loss_mae) != rounded.map(\.train_loss_mae))
    }

    @Test("bf16 asked for where it is slow is refused in one line; auto takes fp32 there")
    func unsupported() throws {
        let folder = try TemporaryDirectory()
        let older = ["UMAE_MAX_ISA": "avx2"]
        let refused = try Program.run(
            SmallRun.arguments(folder.file("refused")) + ["--precision", "bf16"], ranks: 2, environment: older)
        #expect(refused.exitCode != 0 && refused.messages.count == 1, "\(refused.errors)")
        #expect(refused.messages.first?.contains("--precision bf16") == true)
        #expect(refused.messages.first?.contains("avx2") == true)
        let chosen = try Program.run(
            SmallRun.arguments(folder.file("auto")) + ["--precision", "auto"], environment: older)
        #expect(chosen.exitCode == 0, "\(chosen.errors)")
        let exact = try Program.run(SmallRun.arguments(folder.file("fp32")), environment: older)
        #expect(exact.exitCode == 0)
        #expect(
            try SmallRun.weights(folder.file("auto"), step: 20) == SmallRun.weights(folder.file("fp32"), step: 20))
    }
}
