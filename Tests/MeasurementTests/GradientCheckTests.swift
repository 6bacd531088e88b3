import Foundation
import Measurement
import Testing
import Pretraining

@Suite("Finite differences know how good they are")
struct GradientCheckTests {
    /// Losses as fp32 gives them.
    private func slopes(size: Double, _ losses: [(Double) -> Double]) -> [GradientCheck.Slope] {
        GradientCheck.slopes(size: size, noise: losses.map { 0x1p-24 * abs($0(0)) }) { distance in
            losses.map { Double(Float($0(distance))) }
        }
    }

    @Test("a right derivative agrees, and one that is 2% off does not", arguments: [1e-2, 1, 30])
    func precision(size: Double) {
        let losses: [(Double) -> Double] = [
            { 3 + sin(2 * $0) }, { 0.1 * exp(-$0) }, { 2 + 0.3 * $0 + 40 * $0 * $0 },
        ]
        for (slope, derivative) in zip(slopes(size: size, losses), [2, -0.1, 0.3]) {
            #expect(slope.agrees(with: derivative), "\(slope)")
            #expect(!slope.agrees(with: 1.02 * derivative) && !slope.agrees(with: 0), "\(slope)")
            #expect(!slope.agrees(with: .nan) && slope.resolves(derivative))
        }
    }

    @Test("a slope that rounding hides is known to be hidden")
    func flat() {
        let slope = slopes(size: 1e-3, [{ 1e3 + 1e-3 * $0 }])[0]
        #expect(!slope.resolves(1e-3) && slope.agrees(with: 1e-3))
    }

    @Test("a loss that does not depend on the tensor has the slope 0")
    func constant() {
        let slope = slopes(size: 1, [{ _ in 0.7 }])[0]
        #expect(slope.value == 0 && slope.agrees(with: 0) && !slope.agrees(with: 0.01))
    }
}
