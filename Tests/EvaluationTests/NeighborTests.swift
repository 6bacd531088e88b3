import Features
import Communication
import Evaluation
import Models
import Tensors
import TestSupport
import Testing

@Suite("Nearest neighbours are scikit-learn's, whatever ranks have which images")
struct NeighborTests {
    private func accuracies(_ vote: NeighborVote, ranks: Int, threads: Int = 1) throws -> [Double] {
        let fixture = try EvaluationFixture()
        return try InProcessWorld.run(ranks: ranks) { world in
            try NeighborClassifier(neighbors: [1, 3, 10, 50], vote: vote).run(
                .cls, training: fixture.features("training", rank: world.rank, ranks: ranks),
                test: fixture.features("test", rank: world.rank, ranks: ranks), in: world, Team(threads: threads)
            ).accuracies
        }[ranks - 1]
    }

    @Test("one vote each, and votes by similarity", arguments: [1, 2, 3, 8])
    func accuracy(ranks: Int) throws {
        let fixture = try EvaluationFixture()
        for (name, vote) in [("uniform", NeighborVote.uniform), ("weighted", .weighted(temperature: 0.07))] {
            let found = try accuracies(vote, ranks: ranks, threads: ranks == 1 ? 2 : 1)
            for (own, expected) in zip(found, try fixture.values(name)) { #expect(abs(own - Double(expected)) < 1e-6) }
        }
    }

    @Test("a low temperature is the nearest neighbour's vote")
    func temperature() throws {
        let low = try accuracies(.weighted(temperature: 1e-4), ranks: 2)
        let uniform = try accuracies(.uniform, ranks: 2)
        #expect(Set(low).count == 1 && low[0] == uniform[0])
    }
}
