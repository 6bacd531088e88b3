internal import Tensors

/// The images nearest to one of them: the most similar first, and of equally similar ones the first.
struct Neighbors {
    struct Neighbor: Equatable {
        var similarity: Float
        /// Among the training images of all ranks.
        var image: Int32
        var label: Int32

        func isNearer(than other: Neighbor) -> Bool {
            similarity > other.similarity || (similarity == other.similarity && image < other.image)
        }
    }

    private let most: Int
    private(set) var nearest: [Neighbor] = []

    /// - Parameter most: how many are kept.
    init(most: Int) {
        self.most = most
        nearest.reserveCapacity(most + 1)
    }

    /// Less similar ones need not be looked at.
    var least: Float { nearest.count == most ? nearest[most - 1].similarity : -.infinity }

    mutating func clear() { nearest.removeAll(keepingCapacity: true) }

    mutating func add(_ neighbor: Neighbor) {
        if nearest.count == most {
            guard let last = nearest.last, neighbor.isNearer(than: last) else { return }
            nearest.removeLast()
        }
        var (low, high) = (0, nearest.count)
        while low < high {
            let middle = (low + high) / 2
            if nearest[middle].isNearer(than: neighbor) { low = middle + 1 } else { high = middle }
        }
        nearest.insert(neighbor, at: low)
    }
}
