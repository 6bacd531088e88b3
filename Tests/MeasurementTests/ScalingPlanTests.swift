import DataParallel
import Measurement
import Models
import Optimization
import Planning
import Regularizers
import Runs
import Tensors
import Testing
import TrainingRuns
import Pretraining

@Suite("A plan divides the batch as a run would")
struct ScalingPlanTests {
    private func plan(
        effective: Int = 4096, perNode: Int = 8, most: Int = 32, nodes: [Int], scaling: ScalingPlan.Scaling = .strong,
        change: (inout PretrainConfiguration) -> Void = { _ in }
    ) throws -> ScalingPlan {
        var configuration = PretrainConfiguration()
        configuration.model = try ModelPreset.configuration(named: "mae_vit_micro_patch4")
        configuration.epochs = 10
        configuration.effectiveBatchSize = effective
        change(&configuration)
        var cluster = Cluster()
        (cluster.ranksPerNode, cluster.linkBandwidth, cluster.linkLatency) = (perNode, 1e9, 1e-5)
        (cluster.rankBandwidth, cluster.messageOverhead) = (3e9, 1e-6)
        return ScalingPlan(
            configuration: configuration, scaling: scaling, mostImages: most, cluster: cluster, nodes: nodes,
            trainingSet: ScalingPlan.TrainingSet(images: 50_000, classes: 10), computing: ComputeConfiguration())
    }

    private let compute = ComputeCost(
        samples: [
            ComputeCost.Sample(images: 1, encodesTwice: false, data: 0, forward: 1e-3, backward: 2e-3, update: 1e-3)
        ], encoderShare: 0.7)

    @Test("the effective batch stays: fewer micro-batches, then fewer images")
    func strong() throws {
        let divisions = try plan(nodes: [1, 16, 32, 512]).divisions
        #expect(divisions.map(\.images) == [32, 32, 16, 1] && divisions.map(\.accumulation) == [16, 1, 1, 1])
        #expect(divisions.allSatisfy { $0.effectiveBatch == 4096 && $0.obstacle == nil })
        // 512 images in the fewest equal parts of at most 30.
        let uneven = try plan(most: 30, nodes: [1]).divisions
        #expect(uneven[0].images == 16 && uneven[0].accumulation == 32)
    }

    @Test("ranks that the batch cannot be divided among say so, and what would do")
    func obstacles() throws {
        let divisions = try plan(nodes: [3, 1024]).divisions
        #expect(divisions.allSatisfy { $0.obstacle?.contains("4096 images cannot be divided") == true })
        #expect(divisions[0].obstacle?.contains("24 ranks: use 2 nodes") == true)
        #expect(divisions[1].obstacle?.contains("8192 ranks: use 512 nodes") == true)
        let rows = try plan(nodes: [3, 1024]).rows(compute, team: try Team(threads: 1))
        #expect(rows.allSatisfy { $0.obstacle != nil && $0.secondsPerStep == nil })
    }

    @Test("with weak scaling every rank keeps its images")
    func weak() throws {
        let divisions = try plan(nodes: [1, 3], scaling: .weak).divisions
        #expect(divisions.map(\.effectiveBatch) == [256, 768] && divisions.allSatisfy { $0.images == 32 })
        let accumulated = try plan(nodes: [1, 3], scaling: .weak) { $0.accumulation = 4 }.divisions
        #expect(accumulated.map(\.effectiveBatch) == [1024, 3072])
        #expect(accumulated.allSatisfy { $0.images == 32 && $0.accumulation == 4 })
    }

    @Test("measured are the smallest and the largest micro-batch, encoded once and twice")
    func samples() throws {
        let wanted = try plan(nodes: [1, 2, 16, 64, 512]).samplesWanted
        #expect(wanted.map(\.images) == [1, 32, 32] && wanted.map(\.encodesTwice) == [false, false, true])
        let apart = try plan(nodes: [1, 2]) { $0.loss.negatives = .micro }.samplesWanted
        #expect(apart.map(\.images) == [32] && apart.map(\.encodesTwice) == [false])
    }

    @Test("features are exchanged as the run would")
    func exchange() throws {
        // 128 wide: Gram matrices for batches of more than twice that.
        let plan = try plan(effective: 512, nodes: [1])
        #expect(plan.transport(for: plan.divisions[0]) == .gram)
        let even = try self.plan(effective: 256, nodes: [1])
        #expect(even.transport(for: even.divisions[0]) == .gather)
        let micro = try self.plan(effective: 512, perNode: 1, nodes: [1]) { $0.loss.negatives = .micro }
        #expect(micro.transport(for: micro.divisions[0]) == .gather)
    }

    @Test("figures of a row belong together")
    func rows() throws {
        let rows = try plan(effective: 512, nodes: [1, 4, 8]).rows(compute, team: try Team(threads: 1))
        for row in rows {
            let (step, speed) = try (#require(row.secondsPerStep), #require(row.imagesPerSecond))
            let (days, memory) = try (#require(row.days), #require(row.plannedMemoryBytes))
            #expect(abs(step * speed - 512) < 1e-9 * 512)
            #expect(row.effectiveBatchSize == 512)
            #expect(abs(days - Double(10 * (50_000 / 512)) * step / 86400) < 1e-12)
            #expect((row.exposedCommunicationSeconds ?? 0) > 0 && memory > 1 << 20)
        }
        #expect(rows[0].efficiency == 1)
        let (first, last) = try (#require(rows[0].imagesPerSecond), #require(rows[2].imagesPerSecond))
        let efficiency = try #require(rows[2].efficiency)
        #expect(abs(efficiency - last / 8 / first) < 1e-12)
        // Fewer images on a rank need less memory.
        let (most, least) = try (#require(rows[0].plannedMemoryBytes), #require(rows[2].plannedMemoryBytes))
        #expect(least < most)
    }
}
