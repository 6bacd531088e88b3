import Optimization
import Tensors
import Testing

@Suite("Optimizer and schedule")
struct OptimizationTests {
    @Test("warm-up is linear, then half a cosine to the minimum")
    func schedule() {
        let schedule = LearningRateSchedule(peak: 2, minimum: 0.5, warmupEpochs: 4, epochs: 20)
        for (epoch, rate) in [(0.0, 0.0), (1, 0.5), (4, 2), (12, 1.25), (20, 0.5)] {
            #expect(abs(schedule.rate(atEpoch: epoch) - rate) < 1e-12, "epoch \(epoch)")
        }
        #expect(LearningRateSchedule(peak: 3, minimum: 0, warmupEpochs: 0, epochs: 5).rate(atEpoch: 0) == 3)
        #expect(LearningRateSchedule.scaled(base: 1.5e-4, effectiveBatch: 4096) == 1.5e-4 * 16)
    }

    @Test("weight decay follows timm's rule")
    func decayRule() {
        #expect(weightDecays(name: "blocks.0.attn.qkv.weight", shape: [6, 2]))
        #expect(weightDecays(name: "cls_token", shape: [1, 1, 4]))
        #expect(!weightDecays(name: "norm.weight", shape: [4]))
        #expect(!weightDecays(name: "fc.bias", shape: [4]))
    }

    @Test("five updates are those of the published algorithm, in double precision", arguments: [1, 2])
    func adamW(threads: Int) throws {
        let count = 53
        let values = Matrix(rows: 1, columns: count)
        let gradients = Matrix(rows: 1, columns: count)
        var random = SampleRandom(seed: 4, epoch: 0, sample: 0, purpose: .initialization)
        for index in 0..<count { values[0, index] = Float(random.uniform(-1, 1)) }
        let optimizer = AdamW(
            values: values,
            tensors: [
                ParameterGroup(0..<7, decays: true), ParameterGroup(7..<20, decays: true),
                ParameterGroup(20..<41, decays: false), ParameterGroup(41..<53, decays: false, rateScale: 0.25),
            ],
            configuration: AdamW.Configuration(weightDecay: 0.3), plan: MemoryPlan())
        var w = values.array.map(Double.init)
        var (m, v) = ([Double](repeating: 0, count: count), [Double](repeating: 0, count: count))
        let team = try Team(threads: threads)
        for step in 1...5 {
            for index in 0..<count { gradients[0, index] = Float(random.uniform(-3, 3)) }
            team.run {
                optimizer.update(gradients, step: step, learningRate: 0.01, gradientScale: 0.5, by: $0)
            }
            var (power1, power2) = (1.0, 1.0)
            for _ in 0..<step {
                power1 *= 0.9
                power2 *= 0.95
            }
            for index in 0..<count {
                let g = 0.5 * Double(gradients[0, index])
                m[index] = 0.9 * m[index] + 0.1 * g
                v[index] = 0.95 * v[index] + 0.05 * g * g
                if index < 20 { w[index] *= 1 - 0.01 * 0.3 }
                w[index] -=
                    (index < 41 ? 0.01 : 0.0025) * (m[index] / (1 - power1))
                    / ((v[index] / (1 - power2)).squareRoot() + 1e-8)
            }
            for index in 0..<count { #expect(abs(Double(values[0, index]) - w[index]) < 2e-6) }
        }
    }

    /// From torch 2.15 in double precision: torch.optim.AdamW([w], betas=(0.9, 0.95), eps=1e-8, weight_decay=0.3) with
    /// the rates and gradients below.
    @Test("three updates are torch.optim.AdamW's")
    func adamWAsTorch() throws {
        let values = Matrix(rows: 1, columns: 3, values: [0.5, -1.25, 2])
        let optimizer = AdamW(
            values: values, tensors: [ParameterGroup(0..<3, decays: true)],
            configuration: AdamW.Configuration(weightDecay: 0.3),
            plan: MemoryPlan())
        let updates: [(rate: Double, gradient: [Float], expected: [Double])] = [
            (0.01, [1, -0.5, 1e-4], [0.4885000001, -1.2362500002, 1.9840009999]),
            (0.02, [-2, 0.25, 0], [0.4928364791, -1.2234651114, 1.9585259833]),
            (0.005, [0.75, 3, -1e-4], [0.4924231553, -1.2245137572, 1.9560173863]),
        ]
        for (index, update) in updates.enumerated() {
            let gradient = Matrix(rows: 1, columns: 3, values: update.gradient)
            try Team(threads: 1).run {
                optimizer.update(gradient, step: index + 1, learningRate: update.rate, by: $0)
            }
            // An ulp of weights up to 2 is 2.4e-7.
            for (value, expected) in zip(values.array, update.expected) {
                #expect(abs(Double(value) - expected) < 5e-7, "update \(index + 1)")
            }
        }
    }

    @Test("clipping scales to the largest norm and leaves smaller ones alone")
    func clipping() throws {
        let gradients = Matrix(rows: 1, columns: 2, values: [3, 4])
        for threads in [1, 3] {
            let norm = GradientNorm(of: gradients, plan: MemoryPlan())
            try Team(threads: threads).run(norm)
            #expect(abs(norm.squaredNorm.squareRoot() - 5) < 1e-6)
        }
        #expect(abs(GradientNorm.clippingScale(norm: 5, maximum: 1) - 0.2) < 1e-6)
        #expect(GradientNorm.clippingScale(norm: 0.5, maximum: 1) == 1)
        #expect(GradientNorm.clippingScale(norm: 5, maximum: nil) == 1)
        for norm in [0, 5, 1e300, Double.infinity] {
            #expect(GradientNorm.clippingScale(norm: norm, maximum: .infinity) == 1)
        }
        // torch.nn.utils.clip_grad_norm_ makes 0.599999880000024 of 3 here, and leaves it with 6.
        #expect(abs(3 * GradientNorm.clippingScale(norm: 5, maximum: 1) - 0.599999880000024) < 1e-15)
        #expect(GradientNorm.clippingScale(norm: 5, maximum: 6) == 1)
    }
}
