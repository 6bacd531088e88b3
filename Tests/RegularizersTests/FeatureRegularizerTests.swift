import Foundation
import Layers
import Regularizers
import Safetensors
import Tensors
import TestSupport
import Testing

@Suite("Regularisers against PyTorch (scripts/fixtures/regularizers.py), whatever the ranks and the transport")
struct FeatureRegularizerTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let kind: Regularizer
        let transport: FeatureTransport
        let batch: String
        /// Normalising rounds features by 6e-8, which is more where they differ by 3e-3.
        var tolerance: Double { batch == "alike" && kind != .vicregCovariance ? 1e-4 : 1e-5 }
        var testDescription: String { "\(kind.rawValue), \(transport.rawValue), \(batch)" }
    }

    static let cases = Regularizer.allCases.filter { $0 != .none }.flatMap { kind in
        kind.transports.flatMap { transport in
            ["few", "many", "alike"].map { Case(kind: kind, transport: transport, batch: $0) }
        }
    }

    /// The images of each rank, each rank's divided into micro-batches.
    static let divisions = [[[6]], [[2], [4]], [[1, 2], [3, 0]]]

    private static func fixture() throws -> SafetensorsFile {
        let path = Bundle.module.path(forResource: "regularizers", ofType: "safetensors", inDirectory: "Fixtures")
        return try SafetensorsFile(path: try #require(path))
    }

    /// Ranks that are played one after another, their messages being copies.
    private func run(
        _ configuration: RegularizerConfiguration, _ features: Matrix, ranks: [[Int]], weight: Double
    ) throws -> (loss: Double, inverseRank: Double, gradient: [Float]) {
        let totals = ranks.map { $0.reduce(0, +) }
        let plan = MemoryPlan()
        let batches = totals.indices.map { rank in
            FeatureBatch(rankCounts: totals, rank: rank, microImages: totals[rank], width: features.columns)
        }
        let team = try Team(threads: 2)
        let contexts = LayerContext.makeAll(
            team: team, maximumWidth: features.columns, scratchBytes: batches.reduce(0) { max($0, $1.scratchBytes) },
            plan: plan)
        func onAllThreads(_ body: @escaping (LayerContext) -> Void) { team.run { body(contexts[$0.index]) } }
        func parts(_ rank: Int) -> [Range<Int>] {
            var start = 0
            return ranks[rank].map { count in
                defer { start += count }
                return start..<start + count
            }
        }
        let firsts = totals.indices.map { totals[..<$0].reduce(0, +) }
        let all = batches.map { configuration.makeRegularizer(of: $0, plan: plan) }
        for (rank, regularizer) in all.enumerated() {
            let own = features.rows(firsts[rank]..<firsts[rank] + totals[rank])
            for part in parts(rank) { onAllThreads { regularizer.record(own.rows(part), rows: part, in: $0) } }
            onAllThreads { regularizer.summarize(in: $0) }
        }
        exchange(all.map(\.exchanged))
        for regularizer in all { onAllThreads { regularizer.evaluate(in: $0) } }
        let followUps = all.compactMap(\.followUp)
        if !followUps.isEmpty {
            exchange(followUps)
            for regularizer in all { onAllThreads { regularizer.conclude(in: $0) } }
        }
        var (loss, inverseRank, gradient) = (0.0, 0.0, [Float]())
        for (rank, regularizer) in all.enumerated() {
            let (figures, divisors) = (regularizer.figures, regularizer.divisors)
            loss += figures.loss / divisors.loss
            inverseRank += figures.inverseEffectiveRank / divisors.inverseEffectiveRank
            for part in parts(rank) {
                onAllThreads { context in
                    let rows = regularizer.gradient(rows: part, weight: weight, in: context)
                    if context.member.isFirst { gradient += rows.array }
                }
            }
        }
        return (loss, inverseRank, gradient)
    }

    /// What every rank says, handed to every rank; one rank alone has it already.
    private func exchange(_ messages: [RegularizerMessage]) {
        guard messages.count > 1 else { return }
        for receiver in messages {
            var start = 0
            for sender in messages {
                switch (sender, receiver) {
                case (.gather(let own, _), .gather(_, let all)):
                    all.rows(start..<start + own.rows).copy(from: own)
                    start += own.rows
                case (.sum(let own, _), .sum(_, let all)):
                    for column in 0..<all.columns { all[0, column] += own[0, column] }
                default: Issue.record("ranks must send the same kind of message")
                }
            }
        }
    }

    @Test("loss and gradient", arguments: cases)
    func parity(_ example: Case) throws {
        let file = try Self.fixture()
        let source = "\(example.batch).\(example.kind == .koleo ? "apart" : "features")"
        let shape = try #require(file[source]?.shape)
        let features = Matrix(rows: shape[0], columns: shape[1], values: try file.floats(source))
        let loss = Double(try file.floats("\(example.batch).\(example.kind.rawValue).loss")[0])
        let gradient = try file.floats("\(example.batch).\(example.kind.rawValue).gradient").map { 0.7 * $0 }
        var configuration = RegularizerConfiguration()
        (configuration.kind, configuration.transport) = (example.kind, example.transport)
        var inverseRanks: [Double] = []
        for division in Self.divisions {
            // The first rank's first part takes what the others leave.
            var ranks = division
            ranks[0][0] += features.rows - division.reduce(0) { $0 + $1.reduce(0, +) }
            let result = try run(configuration, features, ranks: ranks, weight: 0.7)
            #expect(abs(result.loss / loss - 1) < example.tolerance, "\(division): \(result.loss), \(loss)")
            let error = relativeError(result.gradient, gradient)
            #expect(error < example.tolerance, "\(division): \(error)")
            inverseRanks.append(result.inverseRank)
        }
        // The participation ratio is reported whatever the loss.
        for value in inverseRanks { #expect(abs(value - inverseRanks[0]) < 1e-6 && value > 0 && value <= 1.00001) }
    }

    @Test("parameters are used")
    func parameters() throws {
        let file = try Self.fixture()
        let features = Matrix(rows: 21, columns: 5, values: try file.floats("many.features"))
        for (kind, change) in [
            (Regularizer.tcr, { (c: inout RegularizerConfiguration) in c.tcrMu = 3 }),
            (.uniformity, { (c: inout RegularizerConfiguration) in c.uniformityT = 1 }),
        ] {
            var configuration = RegularizerConfiguration()
            configuration.kind = kind
            let before = try run(configuration, features, ranks: [[21]], weight: 1)
            change(&configuration)
            let after = try run(configuration, features, ranks: [[21]], weight: 1)
            #expect(abs(before.loss - after.loss) > 0.1)
        }
    }

    @Test("a μ that rounding of the Gram matrix is large beside makes no pivot negative", arguments: [1, 1e4, 1e6])
    func largeMu(mu: Double) throws {
        var configuration = RegularizerConfiguration()
        (configuration.kind, configuration.tcrMu) = (.tcr, mu)
        // Nearly collapsed: most eigenvalues are rounding.
        let features = Matrix(rows: 64, columns: 24)
        for row in 0..<64 {
            for column in 0..<24 { features[row, column] = 1 + 1e-4 * Float((row * 31 + column * 17) % 13) }
        }
        let result = try run(configuration, features, ranks: [[32], [32]], weight: 1)
        #expect(result.loss.isFinite && result.gradient.allSatisfy(\.isFinite), "\(result.loss)")
    }

    @Test("features that are all zero have no rank, and none that is not a number", arguments: Regularizer.allCases)
    func zeroFeatures(kind: Regularizer) throws {
        var configuration = RegularizerConfiguration()
        configuration.kind = kind
        let result = try run(configuration, Matrix(rows: 6, columns: 4), ranks: [[3], [3]], weight: 1)
        #expect(!result.inverseRank.isNaN, "\(result.inverseRank)")
    }

    @Test("a larger order takes the vectorised way: tcr against the sum over images")
    func largerOrder() throws {
        // det(I + c·ZᵀZ) = det(I + c·Z·Zᵀ) = (1 + c)ⁿ for orthonormal rows.
        let (images, width) = (19, 41)
        let features = Matrix(rows: images, columns: width)
        for row in 0..<images { features[row, 2 * row] = row % 2 == 0 ? 3 : -0.5 }
        var configuration = RegularizerConfiguration()
        (configuration.kind, configuration.tcrMu) = (.tcr, 41 * 0.5)
        let result = try run(configuration, features, ranks: [[7], [12]], weight: 1)
        #expect(abs(result.loss + Double(images) * log(1.5)) < 1e-5)
    }
}
