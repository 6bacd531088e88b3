import Features
import Communication
import Evaluation
import Tensors
import TestSupport
import Testing

@Suite("Spectra and distances of features against numpy (scripts/fixtures/evaluation.py), at any number of ranks")
struct SpectrumTests {
    private let fixture: EvaluationFixture

    init() throws { fixture = try EvaluationFixture() }

    private func isClose(_ a: Double, _ b: Float, _ tolerance: Double = 1e-5) -> Bool {
        abs(a - Double(b)) <= tolerance * max(abs(Double(b)), 1e-3)
    }

    @Test(arguments: [1, 2, 4])
    func singularValues(ranks: Int) throws {
        let found = try InProcessWorld.run(ranks: ranks) { world in
            let own = try fixture.features("training", rank: world.rank, ranks: ranks)[.cls]
            let moments = try FeatureMoments(of: own, in: world)
            return [Spectrum.raw(moments), .centred(moments)]
        }
        for spectra in found {
            for (spectrum, name) in zip(spectra, ["raw", "centred"]) {
                let expected = try fixture.values("\(name)_singular_values")
                #expect(spectrum.singularValues.count == expected.count)
                #expect(zip(spectrum.singularValues, expected).allSatisfy { isClose($0, $1) })
                let figures = try fixture.values("\(name)_figures")
                #expect(isClose(spectrum.rankMe, figures[0]) && isClose(spectrum.participationRatio, figures[1]))
                #expect(isClose(try #require(spectrum.powerLawExponent), figures[2]))
            }
        }
    }

    @Test(arguments: [1, 2, 3])
    func pairs(ranks: Int) throws {
        let expected = try fixture.values("pairs")
        let found = try InProcessWorld.run(ranks: ranks) { world in
            let features = try fixture.features("training", rank: world.rank, ranks: ranks)
            return try PairStatistics(of: features, .cls, in: world, Team(threads: 2))
        }
        for pairs in found {
            #expect(isClose(pairs.meanSquaredCosine, expected[0]) && isClose(pairs.uniformity, expected[1]))
            #expect(isClose(try #require(pairs.classAlignment), expected[2]))
            #expect(isClose(try #require(pairs.otherClassCosine), expected[3], 1e-4))
        }
    }

    @Test(arguments: [1, 2, 4])
    func lidar(ranks: Int) throws {
        let (all, expected) = (try fixture.values("views"), try fixture.values("lidar")[0])
        let width = try fixture.features("training", rank: 0, ranks: 1)[.cls].columns
        let found = try InProcessWorld.run(ranks: ranks) { world in
            let share = world.share(of: 60)
            let views = (0..<4).map { view in
                let start = view * 60 + share.lowerBound
                return Matrix(
                    rows: share.count, columns: width,
                    values: Array(all[start * width..<(start + share.count) * width]))
            }
            return try LiDAR.value(of: views, in: world)
        }
        for value in found { #expect(isClose(value, expected, 1e-4)) }
    }

    @Test func featuresThatAreAllZeroSpreadOverNoDimension() throws {
        let found = try InProcessWorld.run(ranks: 1) { world in
            Spectrum.raw(try FeatureMoments(of: Matrix(rows: 5, columns: 3), in: world))
        }
        #expect(found[0].rankMe == 0 && found[0].participationRatio == 0 && found[0].powerLawExponent == nil)
    }

    @Test func whatIsSpreadEvenlyHasTheRankOfItsWidth() {
        let spectrum = Spectrum(singularValues: [Double](repeating: 3, count: 7))
        #expect(abs(spectrum.rankMe - 7) < 1e-12 && abs(spectrum.participationRatio - 7) < 1e-12)
    }
}
