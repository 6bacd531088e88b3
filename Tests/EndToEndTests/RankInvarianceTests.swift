import Safetensors
import Checkpoints
import Foundation
import Tensors
import TestSupport
import Testing

@Suite("The number of ranks changes nothing but rounding", .serialized)
struct RankInvarianceTests {
    @Test("a 20-step trajectory at 2, 4 and 8 ranks is that of one process", arguments: [2, 4, 8])
    func trajectory(ranks: Int) throws {
        let folder = try TemporaryDirectory()
        let alone = try Program.run(SmallRun.arguments(folder.file("one")))
        #expect(alone.exitCode == 0, "\(alone.errors)")
        let together = try Program.run(SmallRun.arguments(folder.file("many")), ranks: ranks)
        #expect(together.exitCode == 0, "\(together.errors)")
        let expected = try SmallRun.weights(folder.file("one"), step: 20)
        let error = relativeError(try SmallRun.weights(folder.file("many"), step: 20), expected)
        // Sums over images are formed in another order: fp32 rounding, 20 times.
        #expect(error < 1e-5, "relative error \(error)")
        // And the run did go somewhere: another seed ends elsewhere.
        let other = try Program.run(SmallRun.arguments(folder.file("other")) + ["--seed", "8"])
        #expect(other.exitCode == 0)
        #expect(relativeError(try SmallRun.weights(folder.file("other"), step: 20), expected) > 1e-2)
    }

    @Test("one process with two threads takes the same trajectory")
    func threads() throws {
        let folder = try TemporaryDirectory()
        _ = try Program.run(SmallRun.arguments(folder.file("one")))
        _ = try Program.run(SmallRun.arguments(folder.file("two")) + ["--threads", "2"])
        let error = relativeError(
            try SmallRun.weights(folder.file("two"), step: 20), try SmallRun.weights(folder.file("one"), step: 20))
        #expect(error < 1e-5, "relative error \(error)")
    }

    @Test(
        "accumulation is a matter of memory alone",
        arguments: [["--reg", "none"], [], ["--uniformity-exchange", "gram"], ["--reg", "koleo"]])
    func accumulation(more: [String]) throws {
        let folder = try TemporaryDirectory()
        _ = try Program.run(SmallRun.arguments(folder.file("one")) + more)
        _ = try Program.run(SmallRun.arguments(folder.file("four")) + more + ["--accum_iter", "2"], ranks: 2)
        let error = relativeError(
            try SmallRun.weights(folder.file("four"), step: 20), try SmallRun.weights(folder.file("one"), step: 20))
        #expect(error < 1e-5, "relative error \(error)")
    }

    @Test("every dumped tensor is the single process's, uneven shares too", arguments: [2, 3, 4, 8])
    func dump(ranks: Int) throws {
        let debug = try DebugFiles(images: 9)
        let alone = try debug.dump(ranks: nil)
        let together = try debug.dump(ranks: ranks)
        #expect(alone.names.sorted() == together.names.sorted())
        #expect(alone.names.contains("grad.blocks.0.attn.qkv.weight"))
        for name in alone.names {
            let expected = try alone.floats(name)
            #expect(together[name]?.shape == alone[name]?.shape)
            let error = relativeError(try together.floats(name), expected)
            #expect(error < 1e-5, "\(name): relative error \(error)")
        }
    }

    @Test("reference mode divides the uniformity gradient by the number of ranks", arguments: [2, 4])
    func referenceGradient(ranks: Int) throws {
        let debug = try DebugFiles(images: 8)
        let plain = try debug.dump(ranks: ranks, ["--reg", "none"])
        let exact = try debug.dump(ranks: ranks, ["--lamb", "5"])
        let reference = try debug.dump(ranks: ranks, ["--lamb", "5", "--uniformity-gradient", "reference"])
        for name in ["grad.cls_token", "grad.blocks.0.mlp.fc1.weight", "grad.norm.weight"] {
            let base = try plain.floats(name)
            let full = zip(try exact.floats(name), base).map { $0 - $1 }
            let part = zip(try reference.floats(name), base).map { Float(ranks) * ($0 - $1) }
            // A difference of gradients: its rounding is that of the larger terms.
            #expect(relativeError(part, full) < 1e-4, "\(name)")
            #expect(full.contains { abs($0) > 1e-4 })
        }
    }
}

/// Random weights and a random batch for `umae-dist debug`, different on every image.
struct DebugFiles {
    let folder: TemporaryDirectory

    init(images: Int) throws {
        folder = try TemporaryDirectory()
        let run = try Program.run(
            SmallRun.arguments(folder.file("run"), images: 8, batch: 8) + ["--checkpoint-every", "1"])
        #expect(run.exitCode == 0, "\(run.errors)")
        let pixels = Matrix(rows: images, columns: 2 * 16 * 16)
        let noise = Matrix(rows: images, columns: 16)
        for image in 0..<images {
            var random = SampleRandom(seed: 11, epoch: 0, sample: image, purpose: .syntheticImage)
            for column in 0..<pixels.columns { pixels[image, column] = Float(random.uniform(-2, 2)) }
            for column in 0..<noise.columns { noise[image, column] = random.uniform() }
        }
        try SafetensorsWriter.write(
            [
                NamedTensor("images", shape: [images, 2, 16, 16], pixels),
                NamedTensor("noise", shape: [images, 16], noise),
            ], to: folder.file("batch.safetensors"))
    }

    func dump(ranks: Int?, _ extra: [String] = []) throws -> SafetensorsFile {
        let out = folder.file("dump-\(UUID().uuidString).safetensors")
        let result = try Program.run(
            [
                "debug", "--weights", folder.file("run/checkpoint-00000001/model.safetensors"), "--batch",
                folder.file("batch.safetensors"), "--dump", out, "--precision", "fp32",
            ] + SmallRun.model + extra, ranks: ranks)
        #expect(result.exitCode == 0, "\(result.errors)")
        return try SafetensorsFile(path: out)
    }
}
