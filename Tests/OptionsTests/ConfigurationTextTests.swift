import ArgumentParser
import DataParallel
import Foundation
import Models
import Optimization
import Regularizers
import Tensors
import Testing
import Pretraining
import Settings
import Testing
import Options
import TrainingRuns

@Suite("Configurations as text")
struct ConfigurationTextTests {
    private static func configuration() throws -> PretrainConfiguration {
        var configuration = PretrainConfiguration()
        configuration.model = try ModelPreset.configuration(named: "mae_vit_micro_patch4")
        // A value that is nil has no key.
        configuration.clipGradient = 1
        (configuration.mean, configuration.standardDeviation) = ([0.25, 0.5], [0.125, 1])
        return configuration
    }

    /// Every leaf of the encoded configuration, as a path of keys.
    private static func leaves(_ object: [String: Any], _ path: [String] = []) -> [[String]] {
        object.flatMap { key, value in
            (value as? [String: Any]).map { leaves($0, path + [key]) } ?? [path + [key]]
        }
    }

    private static let switches: Set<String> = [
        "normPixLoss", "shardsOptimizer", "qkvBias", "clsPosition", "decoderEmbed", "decoderNorm", "decaysAll",
    ]

    private static func changed(_ object: [String: Any], _ path: ArraySlice<String>) -> [String: Any] {
        var object = object
        guard let key = path.first else { return object }
        if path.count > 1 {
            object[key] = changed(object[key] as? [String: Any] ?? [:], path.dropFirst())
            return object
        }
        switch object[key] {
        case let text as String:
            let words = Dictionary(
                uniqueKeysWithValues: [
                    ("fp32", "bf16"), ("sincos", "learned"), ("cls", "pooled"), ("spectral", "koleo"),
                    ("auto", "direct"), ("mae", "crop"), ("ignore", "apply"),
                    ("steps", "epochs"), ("exact", "reference"), ("effective", "micro"), ("none", "skip"),
                ])
            let others = ["exchange": "gather", "fidelity": "fast"]
            object[key] = others[key] ?? words[text] ?? text + "x"
        case let number as NSNumber where switches.contains(key):
            object[key] = !number.boolValue
        case let number as NSNumber: object[key] = number.doubleValue + 1
        case let numbers as [NSNumber]: object[key] = numbers.map { $0.doubleValue + 0.125 }
        default: Issue.record("\(path): what kind of value is this?")
        }
        return object
    }

    @Test("no value of a configuration is missing from its text, and so from what ranks and resumed runs compare")
    func complete() throws {
        let configuration = try Self.configuration()
        let object = try #require(
            try JSONSerialization.jsonObject(with: JSONEncoder().encode(configuration)) as? [String: Any])
        let lines = configuration.settings.map(\.line)
        let paths = Self.leaves(object)
        #expect(paths.count > 40)
        for path in paths {
            let data = try JSONSerialization.data(withJSONObject: Self.changed(object, path[...]))
            let other = try JSONDecoder().decode(PretrainConfiguration.self, from: data)
            #expect(other != configuration, "\(path)")
            #expect(other.settings.map(\.line) != lines, "\(path.joined(separator: ".")) is not in the text")
        }
    }

    @Test("every value has the name of a flag, or is said to have none")
    func names() throws {
        let names = try Self.configuration().settings.map(\.flag)
        let flags = FlagValue.all(in: try PretrainOptions.parse([])).map { "--\($0.flag)" }
        #expect(Set(names).subtracting(flags) == ["beta1 of AdamW", "beta2 of AdamW", "epsilon of AdamW"])
        #expect(Set(names).count == names.count)
    }

    @Test("what differs from a checkpoint and decides numbers is told in the words of the command line")
    func differences() throws {
        let saved = try Self.configuration()
        #expect(saved.differences(from: saved).isEmpty)
        var now = saved
        now.loss.lamb = 0.5
        now.loss.regularizer.kind = .koleo
        now.clipGradient = nil
        now.gradientExchange.fixedShards = 8
        #expect(
            now.differences(from: saved) == [
                "--lamb 0.01 in the checkpoint, 0.5 now", "--reg spectral in the checkpoint, koleo now",
                "--clip-grad 1.0 in the checkpoint, none now", "--deterministic false in the checkpoint, true now",
                "--deterministic-shards none in the checkpoint, 8 now",
            ])
        now = saved
        now.dataPath = "/elsewhere"
        now.gradientExchange.bucketBytes = 1 << 20
        now.replicaCheckEvery = 1
        now.loss.regularizer.tcrMu = 3
        #expect(now.differences(from: saved).isEmpty)
    }
}
