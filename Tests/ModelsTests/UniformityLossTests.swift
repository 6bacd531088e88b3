import Layers
import Models
import Tensors
import Testing

@Suite("Uniformity loss")
struct UniformityLossTests {
    @Test("two ranks' shares add up to the global loss and have its gradient")
    func shares() {
        let (images, width) = (6, 5)
        let features = Matrix(rows: images, columns: width)
        var random = SampleRandom(seed: 3, epoch: 0, sample: 0, purpose: .syntheticImage)
        for row in 0..<images { for column in 0..<width { features[row, column] = Float(random.uniform(-1, 1)) } }

        let reference = { (values: [Double]) -> Double in
            let rows = (0..<images).map { Array(values[$0 * width..<($0 + 1) * width]) }
            let unit = rows.map { row in
                let norm = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
                return row.map { $0 / norm }
            }
            var total = 0.0
            for a in unit {
                for b in unit {
                    let similarity = zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
                    total += similarity * similarity
                }
            }
            return total / Double(images * images)
        }
        let values = features.array.map(Double.init)
        var share = 0.0
        var gradient: [Float] = []
        for part in [0..<2, 2..<6] {
            let plan = MemoryPlan()
            let context = LayerContext.makeAll(
                team: Team(threads: 1), maximumWidth: 8,
                scratchBytes: UniformityLoss.scratchBytes(images: images, globalImages: images, width: width),
                plan: plan)[0]
            let whole = UniformityLoss(images: images, globalImages: images, width: width, plan: plan)
            whole.normalize(features, in: context)
            let own = UniformityLoss(images: part.count, globalImages: images, width: width, plan: plan)
            own.normalize(features.rows(part), in: context)
            own.all.copy(from: whole.normalized)
            share += own.value(in: context)
            own.gradient(weight: 0.7, in: context)
            gradient += own.dFeatures.array
        }
        #expect(abs(share - reference(values)) < 1e-6)
        for index in values.indices {
            var (up, down) = (values, values)
            up[index] += 1e-5
            down[index] -= 1e-5
            let slope = 0.7 * (reference(up) - reference(down)) / 2e-5
            #expect(abs(Double(gradient[index]) - slope) < 1e-6 + 1e-5 * abs(slope))
        }
    }
}
