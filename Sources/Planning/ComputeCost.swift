/// What a rank needs for its own work, from measurements at one or more sizes of the micro-batch.
package struct ComputeCost: Sendable {
    /// Seconds of one micro-batch.
    package struct MicroBatch: Equatable, Sendable {
        package var data: Double
        /// Encoding it once before, where the regulariser spans several micro-batches.
        package var collecting: Double
        package var forward: Double
        package var backward: Double

        package var seconds: Double { data + collecting + forward + backward }

        package init(data: Double, collecting: Double, forward: Double, backward: Double) {
            self.data = data
            self.collecting = collecting
            self.forward = forward
            self.backward = backward
        }

        fileprivate func times(_ factor: Double) -> MicroBatch {
            MicroBatch(
                data: data * factor, collecting: collecting * factor, forward: forward * factor,
                backward: backward * factor)
        }

        fileprivate func mixed(with other: MicroBatch, _ part: Double) -> MicroBatch {
            func mix(_ a: Double, _ b: Double) -> Double { a + part * (b - a) }
            return MicroBatch(
                data: mix(data, other.data), collecting: mix(collecting, other.collecting),
                forward: mix(forward, other.forward), backward: mix(backward, other.backward))
        }
    }

    /// One measurement.
    package struct Sample: Equatable, Sendable {
        /// Images of the micro-batch.
        package var images: Int
        /// Whether every image was encoded twice, as where the regulariser spans several micro-batches.
        package var encodesTwice: Bool
        /// Seconds of a micro-batch; `forward` with the first encoding, if there were two.
        package var data: Double
        package var forward: Double
        package var backward: Double
        /// Seconds of an update's norm and optimizer.
        package var update: Double

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

    private let samples: [Sample]
    /// The encoder's share of a forward pass.
    private let encoderShare: Double

    /// - Parameter samples: at least one.
    package init(samples: [Sample], encoderShare: Double) {
        precondition(!samples.isEmpty)
        self.samples = samples.sorted { $0.images < $1.images }
        self.encoderShare = encoderShare
    }

    /// Seconds of an update besides its micro-batches: the mean of what was measured.
    package var update: Double { samples.reduce(0) { $0 + $1.update } / Double(samples.count) }

    /// A micro-batch of `images`: between two measured sizes interpolated linearly, beyond them in proportion. Where
    /// nothing was measured with (or without) the second encoding, that is the encoder's share of forward, and the images
    /// prepared once more.
    package func microBatch(images: Int, encodesTwice: Bool) -> MicroBatch {
        let same = samples.filter { $0.encodesTwice == encodesTwice }
        let known = (same.isEmpty ? samples : same).map { (images: $0.images, cost: cost(of: $0, encodesTwice)) }
        let upper = known.first { $0.images >= images }
        let lower = known.last { $0.images <= images }
        switch (lower, upper) {
        case (let lower?, let upper?) where lower.images < upper.images:
            let part = Double(images - lower.images) / Double(upper.images - lower.images)
            return lower.cost.mixed(with: upper.cost, part)
        case (let nearest?, _), (_, let nearest?):
            return nearest.cost.times(Double(images) / Double(nearest.images))
        default: preconditionFailure("nothing was measured")
        }
    }

    private func cost(of sample: Sample, _ encodesTwice: Bool) -> MicroBatch {
        let forward = sample.encodesTwice ? sample.forward / (1 + encoderShare) : sample.forward
        let data = sample.encodesTwice == encodesTwice ? sample.data : sample.data * (encodesTwice ? 2 : 0.5)
        return MicroBatch(
            data: data, collecting: encodesTwice ? forward * encoderShare : 0, forward: forward,
            backward: sample.backward)
    }
}
