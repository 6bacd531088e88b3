internal import Foundation
internal import Tensors

/// The Kozachenko-Leonenko estimate of the features' entropy: of each image, the distance to its nearest neighbour.
final class NearestNeighbors: @unchecked Sendable {
    /// The number of each image's neighbour, of this rank's images [n, 1] and of all [N, 1].
    let own: Matrix
    let all: Matrix
    /// Whether neighbours stay what they are.
    var isKept = false

    /// torch.nn.PairwiseDistance's, and that of DINOv2's logarithm.
    private static var epsilon: Double { 1e-8 }

    init(_ batch: FeatureBatch, plan: MemoryPlan) {
        own = plan.matrix(.exchange, "neighbours of this rank", rows: batch.images, columns: 1)
        all =
            batch.ranks > 1
            ? plan.matrix(.exchange, "neighbours", rows: batch.globalImages, columns: 1) : own
    }

    /// Looks for the neighbours of this rank's `rows`.
    func find(rows: Range<Int>, among pairs: FeaturePairs) {
        for row in rows {
            var (best, least) = (0, Double.infinity)
            pairs.forEachOther(row: row) { image, distance in
                if distance < least { (best, least) = (image, distance) }
            }
            own[row, 0] = Float(best)
        }
    }

    /// What an image, one of all, adds to the loss.
    func term(of image: Int, in z: Matrix) -> Double {
        -log(distance(image, Int(all[image, 0]), in: z) + Self.epsilon)
    }

    /// As torch.nn.PairwiseDistance: of the difference plus ε.
    private func distance(_ a: Int, _ b: Int, in z: Matrix) -> Double {
        var total = 0.0
        for column in 0..<z.columns {
            let difference = Double(z[a, column]) - Double(z[b, column]) + Self.epsilon
            total += difference * difference
        }
        return total.squareRoot()
    }

    /// Overwrites `d` [1, D] with the gradient for one of all images `z`: it pushes its neighbour away, and is pushed by
    /// all whose neighbour it is.
    func gradient(of image: Int, in z: Matrix, into d: Matrix) {
        d.clear()
        add(image, sign: -1, in: z, to: d)
        for other in 0..<z.rows where Int(all[other, 0]) == image { add(other, sign: 1, in: z, to: d) }
    }

    private func add(_ image: Int, sign: Double, in z: Matrix, to d: Matrix) {
        let neighbor = Int(all[image, 0])
        let length = distance(image, neighbor, in: z)
        let factor = sign / (Double(z.rows) * (length + Self.epsilon) * max(length, 1e-30))
        for column in 0..<z.columns {
            let difference = Double(z[image, column]) - Double(z[neighbor, column]) + Self.epsilon
            d[0, column] += Float(factor * difference)
        }
    }
}
