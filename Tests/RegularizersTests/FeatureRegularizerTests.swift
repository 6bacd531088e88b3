import Foundation
import Layers
import Regularizers
import Safetensors
import Tensors
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

    private static func relativeError(_ a: [Float], _ b: [Float]) -> Double {
        guard a.count == b.count else { return .infinity }
        let difference = zip(a, b).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
        let norm = b.reduce(0.0) { $0 + Double($1) * Double($1) }
        return (difference / max(norm, 1e-24)).squareRoot()
    }

    /// Ranks that are played one after another, their messages being copies.
    private func run(
        _ configuration: RegularizerConfiguration, _ features: Matrix, ranks: [[Int]], weight: Double
    ) throws -> (loss: Double, inverseRank: Double, gradient: [Float]) {
        let totals = ranks.map { $0.reduce(0, +) }
        let plan = MemoryPlan()
        let images = features.rows
        let bytes = FeatureRegularizer.scratchBytes(
            images: images, globalImages: images, width: features.columns)
        let team = try Team(threads: 2)
        let contexts = LayerContext.makeAll(
            team: team, maximumWidth: features.columns, scratchBytes: bytes, plan: plan)
        func onAllThreads(_ body: @escaping (LayerContext) -> Void) { team.run { body(contexts[$0.index]) } }
        func parts(_ rank: Int) -> [Range<Int>] {
            var start = 0
            return ranks[rank].map { count in
                defer { start += count }
                return start..<start + count
            }
        }
        let firsts = totals.indices.map { totals[..<$0].reduce(0, +) }
        let all = totals.indices.map { rank in
            FeatureRegularizer(
                configuration, images: totals[rank], globalImages: images, microImages: totals[rank],
                width: features.columns, firstRow: firsts[rank], ranks: totals.count, threads: team.count, plan: plan)
        }
        for (rank, regularizer) in all.enumerated() {
            let own = features.rows(firsts[rank]..<firsts[rank] + totals[rank])
            for part in parts(rank) { onAllThreads { regularizer.record(own.rows(part), rows: part, in: $0) } }
            onAllThreads { regularizer.summarize(in: $0) }
        }
        if all.count > 1 {
            for regularizer in all {
                for (rank, other) in all.enumerated() {
                    if regularizer.transport == .gather {
                        regularizer.all.rows(firsts[rank]..<firsts[rank] + totals[rank]).copy(from: other.own)
                    } else {
                        for column in 0..<regularizer.summary.columns {
                            regularizer.summary[0, column] += other.ownSummary[0, column]
                        }
                    }
                }
            }
        }
        for regularizer in all { onAllThreads { regularizer.evaluate(in: $0) } }
        let pairSum = all.reduce(0) { $0 + $1.pairSum }
        var (loss, inverseRank, gradient) = (0.0, 0.0, [Float]())
        for (rank, regularizer) in all.enumerated() {
            regularizer.pairSum = pairSum
            if configuration.kind == .koleo && all.count > 1 {
                for (other, source) in all.enumerated() {
                    regularizer.neighbors.rows(firsts[other]..<firsts[other] + totals[other])
                        .copy(from: source.ownNeighbors)
                }
            }
            onAllThreads { regularizer.finishPairs(in: $0) }
            loss += regularizer.parts.loss / regularizer.divisors.loss
            inverseRank += regularizer.parts.inverseEffectiveRank / regularizer.divisors.inverseEffectiveRank
            for part in parts(rank) {
                onAllThreads { regularizer.gradient(rows: part, weight: weight, in: $0) }
                gradient += regularizer.dFeatures.rows(0..<part.count).array
            }
        }
        return (loss, inverseRank, gradient)
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
            let error = Self.relativeError(result.gradient, gradient)
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
