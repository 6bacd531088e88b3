import Foundation
import TestSupport
import Tensors

/// Images that small models learn to tell apart.
enum StripedImages {
    /// 96 training and 37 test images of 16×16 in three classes that can be told apart, as IDX; returns the directory.
    static func write(to folder: TemporaryDirectory, testLabels: Bool = true) throws -> String {
        let directory = folder.file("data")
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        func write(_ name: String, _ bytes: [UInt8]) throws {
            try Data(bytes).write(to: URL(fileURLWithPath: "\(directory)/\(name)"))
        }
        for (stem, count, salt) in [("train", 96, 0), ("t10k", 37, 1000)] {
            var pixels: [UInt8] = []
            var labels: [UInt8] = []
            for image in 0..<count {
                let label = image * 7 % 3
                var random = SampleRandom(seed: 4, epoch: 0, sample: salt + image, purpose: .syntheticImage)
                // Stripes of a direction and width for each class, and noise.
                for place in 0..<256 {
                    let (x, y) = (place % 16, place / 16)
                    let stripe = [x / 2, y / 2, (x + y) / 3][label] % 2
                    pixels.append(UInt8(stripe * 150 + Int(random.uniform() * 100)))
                }
                labels.append(UInt8(label))
            }
            let size = [UInt8](repeating: 0, count: 3) + [UInt8(count)]
            try write("\(stem)-images-idx3-ubyte", [0, 0, 8, 3] + size + [0, 0, 0, 16, 0, 0, 0, 16] + pixels)
            if stem == "train" || testLabels {
                try write("\(stem)-labels-idx1-ubyte", [0, 0, 8, 1] + size + labels)
            }
        }
        return directory
    }
}
