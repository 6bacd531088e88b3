import Foundation
import Pretraining
import Testing
import TrainingRuns

@Suite("The JSON of a configuration")
struct ConfigurationCodingTests {
    @Test("has no parts, so that versions before and after the parts read each other's")
    func flat() throws {
        var configuration = PretrainConfiguration()
        configuration.clipGradient = 1
        configuration.epochs = 7
        configuration.dataPath = "/data"
        let data = try JSONEncoder().encode(configuration)
        let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        // As the first version with checkpoints wrote them, and what came later.
        let keys = [
            "accumulation", "augmentation", "clipGradient", "cropMin", "dataPath", "effectiveBatchSize", "epochs",
            "exif", "fidelity",
            "gradientExchange",
            "learningRate",
            "loss", "lrSchedule", "minimumLearningRate", "model", "optimizer", "precision", "replicaCheckEvery", "seed",
            "spikeGuard",
            "spikeThreshold", "startEpoch", "syntheticImages", "warmupEpochs",
        ]
        #expect(object.keys.sorted() == keys)
        #expect(try JSONDecoder().decode(PretrainConfiguration.self, from: data) == configuration)
    }
}
