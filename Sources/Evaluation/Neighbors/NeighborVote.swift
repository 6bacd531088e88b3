internal import Foundation

/// How neighbours decide of which class an image is.
package enum NeighborVote: Equatable, Sendable {
    /// Each counts once.
    case uniform
    /// Each counts exp(similarity / temperature), as in DINO (Caron et al. 2021), whose temperature is 0.07.
    case weighted(temperature: Double)

    /// The class with most votes of the first `count` neighbours; of equal ones the first.
    func winner(of neighbors: ArraySlice<Neighbors.Neighbor>, votes: inout [Double]) -> Int {
        for label in votes.indices { votes[label] = 0 }
        // Relative to the nearest, so that none is too large; a common factor decides nothing.
        let nearest = neighbors.first?.similarity ?? 0
        for neighbor in neighbors {
            let weight =
                switch self {
                case .uniform: 1.0
                case .weighted(let temperature): exp(Double(neighbor.similarity - nearest) / temperature)
                }
            votes[Int(neighbor.label)] += weight
        }
        var best = 0
        for label in votes.indices where votes[label] > votes[best] { best = label }
        return best
    }
}
