package import Features
package import Communication
internal import Host
package import Tensors

/// Classifies images by the training images whose features are most similar: cosine k-NN.
///
/// Each rank compares all images with the training images whose features it has; the nearest of each rank come together.
package struct NeighborClassifier {
    /// By k.
    package struct Accuracies: Equatable, Sendable {
        package let neighbors: [Int]
        /// Shares of the images that were given.
        package let accuracies: [Double]
    }

    private let neighbors: [Int]
    private let vote: NeighborVote

    /// Images that are classified at a time, and training images that these are compared with at a time.
    private static var queries: Int { 256 }
    private static var candidates: Int { 8192 }

    /// - Parameter neighbors: the values of k, each 1 at least and no more than there are training images.
    package init(neighbors: [Int], vote: NeighborVote) {
        self.neighbors = neighbors
        self.vote = vote
    }

    /// - Parameters:
    ///   - feature: of which the similarity is taken.
    ///   - training, test: features with labels. Collective.
    package func run(
        _ feature: ImageFeature, training: FeatureSet, test: FeatureSet,
        in world: any Communicator, _ team: Team
    ) throws -> Accuracies {
        guard let most = neighbors.max(), let labels = training.labels, let truth = test.labels else {
            preconditionFailure("images need labels")
        }
        precondition(most <= training.count)
        let classes = max(training.classCount ?? 0, test.classCount ?? 0)
        let width = training[feature].columns
        let own = training[feature].normalizedRows(by: team)
        let all = Matrix(rows: test.count, columns: width)
        try world.allGather(test[feature].normalizedRows(by: team), rowCounts: test.counts, into: all)
        let firstImage = training.counts[..<training.rank].reduce(0, +)
        let testRows = FeatureSet.range(of: test.rank, in: test.counts)

        let products = TeamProducts(team)
        var correct = [Double](repeating: 0, count: neighbors.count)
        var votes = [Double](repeating: 0, count: classes)
        for first in stride(from: 0, to: all.rows, by: Self.queries) {
            let rows = first..<min(first + Self.queries, all.rows)
            let found = try world.agree(during: .evaluating) {
                Self.nearest(most, to: all.rows(rows), among: own, labels, from: firstImage, products)
            }
            let together = try Self.gather(found, most, in: world)
            // Each rank counts for the images that it has seen itself.
            for row in rows.clamped(to: testRows) {
                var merged = Neighbors(most: most)
                for lists in together { for neighbor in lists[row - first] { merged.add(neighbor) } }
                let label = Int(truth[row - testRows.lowerBound])
                for (index, k) in neighbors.enumerated()
                where vote.winner(of: merged.nearest.prefix(k), votes: &votes) == label { correct[index] += 1 }
            }
        }
        try world.allReduce(&correct, .sum)
        return Accuracies(neighbors: neighbors, accuracies: correct.map { $0 / Double(test.count) })
    }

    /// Of each row of `queries`, the nearest of this rank's rows.
    private static func nearest(
        _ most: Int, to queries: Matrix, among rows: Matrix, _ labels: [Int32], from firstImage: Int,
        _ products: TeamProducts
    ) -> [[Neighbors.Neighbor]] {
        let room = Matrix(rows: queries.rows, columns: min(candidates, max(rows.rows, 1)))
        let found = (0..<queries.rows).map { _ in NeighborList(most: most) }
        for first in stride(from: 0, to: rows.rows, by: room.columns) {
            let part = rows.rows(first..<min(first + room.columns, rows.rows))
            let similarities = room.columns(0..<part.rows)
            products.multiply(queries, part, transposeB: true, into: similarities)
            products.team.run { member in
                member.forEachChunk(of: queries.rows) { range in
                    for query in range {
                        found[query].add(
                            similarities.rows(query..<query + 1), labels, place: first, firstImage: firstImage)
                    }
                }
            }
        }
        return found.map(\.value.nearest)
    }

    /// What all ranks have found, by rank and row.
    private static func gather(
        _ own: [[Neighbors.Neighbor]], _ most: Int, in world: any Communicator
    ) throws -> [[[Neighbors.Neighbor]]] {
        guard world.size > 1 else { return [own] }
        var writer = ByteWriter([])
        for list in own {
            writer.append([UInt32(list.count)])
            for neighbor in list {
                writer.append([neighbor.similarity.bitPattern])
                writer.append([neighbor.image, neighbor.label])
            }
        }
        return try world.allGather(writer.bytes).map { bytes in
            var reader = ByteReader(bytes)
            return own.map { _ in
                let count: UInt32 = reader.next()
                return (0..<count).map { _ in
                    Neighbors.Neighbor(
                        similarity: Float(bitPattern: reader.next()), image: reader.next(), label: reader.next())
                }
            }
        }
    }
}

/// One query's neighbours, which one thread at a time adds to.
private final class NeighborList: @unchecked Sendable {
    private(set) var value: Neighbors
    init(most: Int) { value = Neighbors(most: most) }

    /// - Parameters:
    ///   - similarities: [1, n], to this rank's images from `place` on.
    ///   - firstImage: the number of this rank's first image.
    func add(_ similarities: Matrix, _ labels: [Int32], place: Int, firstImage: Int) {
        similarities.withElements { similarities in
            for index in similarities.indices where similarities[index] >= value.least {
                value.add(
                    .init(
                        similarity: similarities[index], image: Int32(firstImage + place + index),
                        label: labels[place + index]))
            }
        }
    }
}
