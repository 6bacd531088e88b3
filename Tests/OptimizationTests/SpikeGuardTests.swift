import Foundation
import Optimization
import Testing

@Suite("Updates far from those before are noticed")
struct SpikeGuardTests {
    /// A loss that falls and wavers by 2%, and a norm that wavers by 20%.
    private func figures(_ step: Int) -> (loss: Double, norm: Double) {
        let wave = sin(Double(step) * 1.7)
        return (0.5 + exp(-Double(step) / 80) + 0.02 * wave, 1 + 0.2 * wave)
    }

    private func guardAfter(_ steps: Int) -> SpikeGuard {
        var spikes = SpikeGuard()
        for step in 0..<steps {
            let (loss, norm) = figures(step)
            #expect(spikes.judge(loss: loss, gradientNorm: norm, threshold: 6) == nil, "step \(step)")
        }
        return spikes
    }

    @Test("an ordinary run has none")
    func quiet() { #expect(guardAfter(1000).consecutive == 0) }

    @Test("a loss or a norm that jumps is one, names itself, and leaves the memory as it was")
    func spikes() {
        var spikes = guardAfter(300)
        let before = spikes
        #expect(spikes.judge(loss: 2, gradientNorm: 1, threshold: 6)?.contains("loss") == true)
        #expect(spikes.judge(loss: 0.5, gradientNorm: 40, threshold: 6)?.contains("gradient norm") == true)
        #expect(spikes.consecutive == 2)
        let (loss, norm) = figures(301)
        #expect(spikes.judge(loss: loss, gradientNorm: norm, threshold: 6) == nil && spikes.consecutive == 0)
        var unharmed = before
        _ = unharmed.judge(loss: loss, gradientNorm: norm, threshold: 6)
        #expect(spikes == unharmed)
        // A lower loss is no spike.
        #expect(spikes.judge(loss: 0.01, gradientNorm: 0.1, threshold: 6) == nil)
    }

    @Test("nothing is one before there is something to compare with")
    func warmUp() {
        var spikes = guardAfter(20)
        #expect(spikes.judge(loss: 100, gradientNorm: 100, threshold: 6) == nil)
    }

    @Test("figures however large are spikes with a message", arguments: [1e17, 1e22, 1e30, 1e300, .infinity, .nan])
    func hugeFigures(value: Double) {
        let before = guardAfter(300)
        var spikes = before
        let norm = spikes.judge(loss: 0.5, gradientNorm: value, threshold: 6) ?? ""
        #expect(norm.hasPrefix("gradient norm") && norm.contains("\(value)"))
        let loss = spikes.judge(loss: value, gradientNorm: 1, threshold: 6) ?? ""
        #expect(loss.hasPrefix("loss") && loss.contains("\(value)"))
        #expect(spikes.consecutive == 2)
        let usual = figures(301)
        #expect(spikes.judge(loss: usual.loss, gradientNorm: usual.norm, threshold: 6) == nil)
        var unharmed = before
        _ = unharmed.judge(loss: usual.loss, gradientNorm: usual.norm, threshold: 6)
        #expect(spikes == unharmed)
    }

    @Test("what is not finite never enters the running means", arguments: [Double.infinity, .nan])
    func nonFiniteAtFirst(value: Double) throws {
        var spikes = SpikeGuard()
        #expect(spikes.judge(loss: 1, gradientNorm: value, threshold: 6) == "gradient norm is \(value)")
        #expect(spikes.judge(loss: value, gradientNorm: 1, threshold: 6) == "loss is \(value)")
        #expect(spikes.judge(loss: 1, gradientNorm: 1, threshold: 6) == nil)
        // JSON has no infinity: a state that held one could not be saved.
        _ = try JSONEncoder().encode(spikes)
    }

    @Test("a restart remembers")
    func coding() throws {
        let spikes = guardAfter(120)
        let copy = try JSONDecoder().decode(SpikeGuard.self, from: JSONEncoder().encode(spikes))
        #expect(copy == spikes)
    }
}
