import Safetensors
import Checkpoints
import Foundation
import Tensors
import TestSupport
import Testing

@Suite("The number of ranks changes nothing but rounding", .serialized)
struct RankInvarianceTests {
    @Test("a 20-step trajectory at 2, 4 and 8 ranks, or with two threads, is that of one process")
    func trajectory() throws {
        let folder = try TemporaryDirectory()
        func weights(_ name: String, ranks: Int? = nil, _ more: [String] = []) throws -> [Float] {
            let result = try Program.run(SmallRun.arguments(folder.file(name)) + more, ranks: ranks)
            #expect(result.exitCode == 0, "\(name): \(result.errors)")
            return try SmallRun.weights(folder.file(name), step: 20)
        }
        let alone = try weights("alone")
        for ranks in [2, 4, 8] {
            let error = relativeError(try weights("\(ranks)", ranks: ranks), alone)
            // Sums over images are formed in another order: fp32 rounding, 20 times.
            #expect(error < 1e-5, "\(ranks) ranks: relative error \(error)")
        }
        let error = relativeError(try weights("threads", ["--threads", "2"]), alone)
        #expect(error < 1e-5, "2 threads: relative error \(error)")
        // And the run did go somewhere: another seed ends elsewhere.
        #expect(relativeError(try weights("other", ["--seed", "8"]), alone) > 1e-2)
    }

    @Test(
        "accumulation is a matter of memory alone",
        arguments: [["--uniformity-exchange", "gram"], ["--reg", "koleo"]])
    func accumulation(more: [String]) throws {
        let folder = try TemporaryDirectory()
        _ = try Program.run(SmallRun.arguments(folder.file("one")) + more)
        _ = try Program.run(SmallRun.arguments(folder.file("four")) + more + ["--accum_iter", "2"], ranks: 2)
        let error = relativeError(
            try SmallRun.weights(folder.file("four"), step: 20), try SmallRun.weights(folder.file("one"), step: 20))
        #expect(error < 1e-5, "relative error \(error)")
    }

    @Test("every dumped tensor is the single process's, uneven shares too")
    func dump() throws {
        let debug = try DebugFiles(images: 9)
        let alone = try debug.dump(ranks: nil)
        #expect(alone.names.contains("grad.blocks.0.attn.qkv.weight"))
        for ranks in [2, 3, 4, 8] {
            let together = try debug.dump(ranks: ranks)
            #expect(alone.names.sorted() == together.names.sorted())
            for name in alone.names {
                let expected = try alone.floats(name)
                #expect(together[name]?.shape == alone[name]?.shape)
                let error = relativeError(try together.floats(name), expected)
                #expect(error < 1e-5, "\(ranks) ranks, \(name): relative error \(error)")
            }
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
