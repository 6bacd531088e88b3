import Foundation
import TestSupport
import Testing

/// Runs take months, and programs are brought up to date in between.
@Suite("Checkpoints of earlier versions are gone on from", .serialized)
struct EarlierVersionTests {
    /// A copy of a run's directory after the first of its two epochs, with the log of both, written by a version that knew
    /// neither locks, run identities, the optimizer's own count, nor intervals of minutes:
    ///
    ///     umae-dist --data-path synthetic --synthetic-images 12 --input-size 8 --patch-size 4 --in-chans 1 --embed-dim 8
    ///     --depth 1 --num-heads 2 --decoder-embed-dim 8 --decoder-depth 1 --decoder-num-heads 2 --mlp-ratio 1
    ///     --effective-batch-size 4 --epochs 2 --checkpoint-every 1 --warmup-epochs 0.5 --lr 1e-3 --precision fp32
    ///     --threads 1 --seed 3 --spike-guard skip --clip-grad 1 --mask-ratio 0.5
    private func copyOfRun(in folder: TemporaryDirectory) throws -> String {
        let fixture = try #require(Bundle.module.path(forResource: "Fixtures/run-before-locks", ofType: nil))
        let run = folder.file("run")
        try FileManager.default.copyItem(atPath: fixture, toPath: run)
        return run
    }

    private struct Line: Decodable {
        let epoch: Int
        let train_loss: Double
        let train_grad_norm: Double
    }

    private func log(_ run: String) throws -> [Line] {
        try Data(contentsOf: URL(fileURLWithPath: "\(run)/log.txt")).split(separator: UInt8(ascii: "\n"))
            .map { try JSONDecoder().decode(Line.self, from: Data($0)) }
    }

    @Test("the second epoch is the one that the earlier version made, with the settings it wrote", arguments: [1, 2])
    func goesOn(ranks: Int) throws {
        let folder = try TemporaryDirectory()
        let run = try copyOfRun(in: folder)
        let before = try log(run)
        let result = try Program.run(["--output-dir", run, "--resume", "auto", "--threads", "1"], ranks: ranks)
        #expect(result.exitCode == 0, "\(result.errors)")
        let after = try log(run)
        #expect(after.map(\.epoch) == [0, 1])
        // Other kernels sum in another order, over three updates.
        for (old, new) in zip(before, after) {
            #expect(abs(old.train_loss - new.train_loss) < 1e-5 * old.train_loss)
            #expect(abs(old.train_grad_norm - new.train_grad_norm) < 1e-3 * old.train_grad_norm)
        }
        #expect(fileExists("\(run)/checkpoint-00000006/manifest.json"))
        // From now on the run knows its images as runs do today.
        let state = try String(contentsOfFile: "\(run)/checkpoint-00000006/state.json", encoding: .utf8)
        #expect(state.contains("\"dataIdentity\"") && state.contains("\"mean\"") && !state.contains("dataFingerprint"))
    }

    /// Settings that came later stand below one that every version has written.
    @Test("features of such a checkpoint are evaluated")
    func isEvaluated() throws {
        let folder = try TemporaryDirectory()
        let run = try copyOfRun(in: folder)
        let result = try Program.run([
            "knn", run, "--data-path", "synthetic", "--neighbors", "1", "--mean", "0.5", "--std", "0.25", "--threads",
            "1",
        ])
        #expect(result.exitCode == 0 && result.output.contains("k-NN     k = 1"), "\(result.errors)")
    }

    @Test("other images than those of the earlier version's run are noticed")
    func otherImages() throws {
        let folder = try TemporaryDirectory()
        let run = try copyOfRun(in: folder)
        let result = try Program.run(
            ["--output-dir", run, "--resume", "auto", "--threads", "1", "--synthetic-images", "13"])
        #expect(result.exitCode != 0 && result.messages.count == 1, "\(result.errors)")
        #expect(result.messages.first?.contains("other images") == true, "\(result.messages)")
    }

    /// Paths of all values of a JSON object that are no objects themselves.
    private func leaves(_ object: [String: Any], _ path: [String] = []) -> [[String]] {
        object.sorted { $0.key < $1.key }.flatMap { key, value in
            (value as? [String: Any]).map { leaves($0, path + [key]) } ?? [path + [key]]
        }
    }

    private func removing(_ path: ArraySlice<String>, from object: [String: Any]) -> [String: Any] {
        var object = object
        guard let key = path.first else { return object }
        if path.count > 1, let inner = object[key] as? [String: Any] {
            object[key] = removing(path.dropFirst(), from: inner)
        } else {
            object[key] = nil
        }
        return object
    }

    @Test("a state that lacks a setting, as versions before that setting wrote it, is gone on from")
    func lackingKeys() throws {
        let folder = try TemporaryDirectory()
        let run = try copyOfRun(in: folder)
        let checkpoint = "\(run)/checkpoint-00000003"
        let stateURL = URL(fileURLWithPath: "\(checkpoint)/state.json")
        let manifestURL = URL(fileURLWithPath: "\(checkpoint)/manifest.json")
        let state = try #require(
            try JSONSerialization.jsonObject(with: Data(contentsOf: stateURL)) as? [String: Any])
        // What is compared with the run or says where it stands has always been there.
        let essential: Set<String> = ["step", "epoch", "stepInEpoch", "dataFingerprint", "seed", "effectiveBatchSize"]
        let paths = leaves(state).filter { path in
            !(path.count <= 2 && path.last.map(essential.contains) == true) && path.dropFirst().first != "model"
        }
        #expect(paths.count > 30)
        for path in paths + [["configuration", "gradientExchange"], ["spikeGuard"], ["configuration", "loss"]] {
            let data = try JSONSerialization.data(withJSONObject: removing(path[...], from: state))
            try data.write(to: stateURL)
            var manifest = try #require(
                try JSONSerialization.jsonObject(with: Data(contentsOf: manifestURL)) as? [String: Any])
            var files = try #require(manifest["files"] as? [String: Any])
            files["state.json"] = ["size": data.count, "crc32": Int(crc32(data))]
            manifest["files"] = files
            try JSONSerialization.data(withJSONObject: manifest).write(to: manifestURL)
            let result = try Program.run(["--output-dir", run, "--resume", "auto", "--threads", "1", "--dry-run"])
            #expect(result.exitCode == 0, "\(path): \(result.errors)")
        }
    }

    /// zlib's and PNG's.
    private func crc32(_ data: Data) -> UInt32 {
        var sum = ~UInt32(0)
        for byte in data {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum & 1 == 1 ? (sum >> 1) ^ 0xedb8_8320 : sum >> 1 }
        }
        return ~sum
    }
}
