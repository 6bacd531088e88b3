/// What a rank needs for its own work, from measurements at one or more sizes of the micro-batch.
package struct ComputeCost: Sendable {
    /// Seconds of one micro-batch.
    package struct MicroBatch: Equatable, Sendable {
        package let data: Double
        /// Encoding it once before, where the regulariser spans several micro-batches.
        package let collecting: Double
        package let forward: Double
        package let backward: Double

        var seconds: Double { data + collecting + forward + backward }
    }

    /// One measurement.
    package struct Sample: Equatable, Sendable {
        /// Images of the micro-batch.
        package let images: Int
        /// Whether every image was encoded twice, as where the regulariser spans several micro-batches.
        package let encodesTwice: Bool
        /// Seconds of a micro-batch; `forward` with the first encoding, if there were two.
        package let data: Double
        package let forward: Double
        package let backward: Double
        /// Seconds of an update's norm and optimizer.
        package let update: Double

        package init(
            images: Int, encodesTwice: Bool, data: Double, forward: Double, backward: Double, update: Double
        ) {
            self.images = images
            self.encodesTwice = encodesTwice
            self.data = data
            self.forward = forward
            self.backward = backward
            self.update = update
        }
    }

    package let samples: [Sample]
    /// The encoder's share of a forward pass.
    private let encoderShare: Double

    /// - Parameter samples: none only where no micro-batch will be asked for.
    package init(samples: [Sample], encoderShare: Double) {
        self.samples = samples
        self.encoderShare = encoderShare
    }

    /// Seconds of an update besides its micro-batches: the mean of what was measured.
    package var update: Double {
        samples.isEmpty ? 0 : samples.reduce(0) { $0 + $1.update } / Double(samples.count)
    }

    /// A micro-batch of `images`: between two measured sizes interpolated linearly, beyond them in proportion. Where
    /// nothing was measured with (or without) the second encoding, that is the encoder's share of forward, and the images
    /// prepared once more.
    package func microBatch(images: Int, encodesTwice: Bool) -> MicroBatch {
        let same = samples.filter { $0.encodesTwice == encodesTwice }
        let known = (same.isEmpty ? samples : same).sorted { $0.images < $1.images }
        let (below, above) = (known.last { $0.images <= images }, known.first { $0.images >= images })
        guard let lower = below ?? above, let upper = above ?? below else {
            preconditionFailure("nothing was measured")
        }
        let (a, b) = (cost(of: lower, encodesTwice), cost(of: upper, encodesTwice))
        let part = Double(images - lower.images) / Double(upper.images - lower.images)
        func between(_ a: Double, _ b: Double) -> Double {
            lower.images < upper.images ? a + part * (b - a) : a * (Double(images) / Double(lower.images))
        }
        return MicroBatch(
            data: between(a.data, b.data), collecting: between(a.collecting, b.collecting),
            forward: between(a.forward, b.forward), backward: between(a.backward, b.backward))
    }

    private func cost(of sample: Sample, _ encodesTwice: Bool) -> MicroBatch {
        let forward = sample.encodesTwice ? sample.forward / (1 + encoderShare) : sample.forward
        let data = sample.encodesTwice == encodesTwice ? sample.data : sample.data * (encodesTwice ? 2 : 0.5)
        return MicroBatch(
            data: data, collecting: encodesTwice ? forward * encoderShare : 0, forward: forward,
            backward: sample.backward)
    }
}
