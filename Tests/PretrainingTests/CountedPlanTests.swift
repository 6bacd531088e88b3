import Communication
import DataParallel
import Foundation
import ImageArrays
import ImageCodecs
import ImageData
import ImageSources
import Models
import Optimization
import Pretraining
import Regularizers
import Runs
import Tensors
import Testing
import TrainingRuns

/// A run as it would be on one of several ranks, none of which is there.
@Suite("A plan that is counted has what the run takes, and takes nothing itself")
struct CountedPlanTests {
    private static let source = try? SyntheticImages(
        SyntheticImageParameters(count: 64, channels: 1, size: ImageSize(height: 8, width: 8)), split: .train)

    private static func configuration(
        _ change: (inout PretrainConfiguration) -> Void = { _ in }
    ) -> PretrainConfiguration {
        var model = MaskedAutoencoderConfiguration()
        (model.imageHeight, model.imageWidth, model.patchSize, model.channels) = (8, 8, 2, 1)
        (model.embedDim, model.depth, model.heads) = (16, 2, 2)
        (model.decoderEmbedDim, model.decoderDepth, model.decoderHeads) = (8, 2, 2)
        var configuration = PretrainConfiguration()
        configuration.model = model
        configuration.effectiveBatchSize = 16
        configuration.seed = 1
        change(&configuration)
        return configuration
    }

    private static func layout(of source: SyntheticImages, recomputes: Bool = false) -> StepLayout {
        var computing = ComputeConfiguration()
        computing.recomputesActivations = recomputes
        return StepLayout(
            source: source, statistics: .unknown(channels: source.channels), classes: source.classCount,
            compute: computing)
    }

    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let configuration: PretrainConfiguration
        var recomputes = false

        init(_ name: String, recomputes: Bool = false, _ change: (inout PretrainConfiguration) -> Void = { _ in }) {
            testDescription = name
            self.recomputes = recomputes
            configuration = CountedPlanTests.configuration(change)
        }
    }

    static let cases =
        [
            Case("plain"), Case("micro-batches") { $0.accumulation = 4 },
            Case("recomputing", recomputes: true) { $0.model.depth = 4 },
            Case("bf16") { $0.precision = .bfloat16 },
            Case("learned positions") { $0.model.positions = .learned },
            Case("pooled feature") { $0.model.feature = .pooled },
        ] + Regularizer.allCases.map { kind in Case("\(kind)") { $0.loss.regularizer.kind = kind } }

    @Test("every purpose has the bytes of the real plan", arguments: cases)
    func sameBytes(_ wanted: Case) throws {
        let source = try #require(Self.source)
        let team = try Team(threads: 2)
        let layout = Self.layout(of: source, recomputes: wanted.recomputes)
        let counted = try PretrainRun.plan(
            wanted.configuration, layout, saves: false, on: RankResources(SingleProcess(), team))
        let run = try PretrainRun(
            wanted.configuration, layout, saves: false, on: RankResources(SingleProcess(), team),
            reporter: Reporter(isSilent: true, isTerminal: false, write: { _ in }))
        for purpose in MemoryPlan.Purpose.allCases where purpose != .data {
            #expect(counted.bytes(for: purpose) == run.plan.bytes(for: purpose), "\(purpose)")
        }
        #expect(counted.bytes(for: .data) == source.heldBytes && source.heldBytes >= 64 * 64)
    }

    @Test("the copy for saving is rank 0's, of weights and both moments")
    func saving() throws {
        let source = try #require(Self.source)
        let plan = try PretrainRun.plan(
            Self.configuration(), Self.layout(of: source), saves: true,
            on: RankResources(SingleProcess(), try Team(threads: 1)))
        #expect(plan.bytes(for: .saving) == plan.bytes(for: .gradients) + plan.bytes(for: .moments))
    }

    @Test("terabytes are laid out at once: nothing is mapped")
    func nothingMapped() {
        let plan = MemoryPlan(isBacked: false)
        let before = Self.mappedKibibytes()
        let views = (0..<64).map { plan.matrix(.activations, "part \($0)", rows: 1 << 20, columns: 1 << 20) }
        #expect(plan.totalBytes == 64 << 42)
        #expect(views.reduce(0) { $0 + $1.rows(3..<9).count } == 64 * 6 << 20)
        #expect(Self.mappedKibibytes() - before < 1 << 20)
    }

    @Test("totals beyond counting stay at the most that can be counted")
    func enormous() {
        let plan = MemoryPlan(isBacked: false)
        plan.add(.weights, "a", bytes: .max - 1)
        plan.add(.weights, "b", bytes: .max - 1)
        #expect(plan.totalBytes == .max && plan.bytes(for: .weights) == .max)
    }

    @Test("the estimate by arithmetic alone is below the plan, and not far", arguments: cases)
    func estimate(_ wanted: Case) throws {
        let source = try #require(Self.source)
        let plan = try PretrainRun.plan(
            wanted.configuration, Self.layout(of: source, recomputes: wanted.recomputes), saves: false,
            on: RankResources(SingleProcess(), try Team(threads: 1)))
        let estimate = MemoryEstimate(wanted.configuration.step, ranks: 1).bytes
        #expect(estimate < Double(plan.totalBytes))
        #expect(estimate > Double(plan.totalBytes - source.heldBytes) / 30)
    }

    private static func mappedKibibytes() -> Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmSize:") }
        return line.flatMap { Int($0.filter(\.isNumber)) } ?? 0
    }
}
