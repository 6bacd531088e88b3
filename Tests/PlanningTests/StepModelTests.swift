import DataParallel
import Models
import Planning
import Regularizers
import Tensors
import Testing

@Suite("A step is computing and what is exposed of its messages")
struct StepModelTests {
    private let compute = ComputeCost(
        samples: [
            ComputeCost.Sample(images: 1, encodesTwice: false, data: 0, forward: 1, backward: 2, update: 0.5)
        ], encoderShare: 0.5)

    private func cluster(
        nodes: Int, perNode: Int = 1, bandwidth: Double = 1e6, latency: Double = 0.1, local: Double = .infinity
    ) -> Cluster {
        var cluster = Cluster()
        (cluster.nodes, cluster.ranksPerNode) = (nodes, perNode)
        (cluster.linkBandwidth, cluster.linkLatency, cluster.rankBandwidth) = (bandwidth, latency, local)
        return cluster
    }

    /// Gradients and features summed by MPI_Iallreduce.
    private func step(width: Int, _ stages: [GradientStage]) -> StepModel {
        var configuration = MaskedAutoencoderConfiguration()
        configuration.embedDim = width
        var step = StepModel(configuration, gradientStages: stages)
        step.gradients.algorithm = .allReduce
        step.regularizer.transport = .gram
        step.agreedFigures = 6
        return step
    }

    /// A gradient of 4 MB that is finished at backward's end, and features one number wide: their square and their mean
    /// are 16 bytes.
    private var small: StepModel { step(width: 1, [GradientStage(elements: 1_000_000, share: 1)]) }

    /// ViT-B/16's size.
    private var large: StepModel {
        step(width: 768, (0..<21).map { _ in GradientStage(elements: 5_300_000, share: 1 / 21) })
    }

    @Test("one rank only computes")
    func oneRank() {
        let prediction = small.predict(compute, on: cluster(nodes: 1))
        #expect(prediction.stepSeconds == 3.5 && prediction.exposedSeconds == 0)
        #expect(prediction.communicationSeconds == 0)
    }

    @Test("two nodes, worked out by hand")
    func byHand() {
        let prediction = small.predict(compute, on: cluster(nodes: 2))
        // The gradient leaves when nothing is left to hide it: 4 s and 0.1 s, up and down the tree. The feature's two
        // rounds are over when the decoder ends. The agreement is one exchange.
        let gradient = 2 * (4 + 0.1)
        let (feature, agreement) = (0.1 + 16e-6, 0.1 + 48e-6)
        #expect(abs(prediction.exposedSeconds - (gradient + agreement)) < 1e-9)
        #expect(abs(prediction.stepSeconds - (3.5 + gradient + agreement)) < 1e-9)
        #expect(abs(prediction.communicationSeconds - (gradient + 2 * feature + agreement)) < 1e-9)
    }

    @Test("parts sent to who adds them up and sums handed back, on four nodes, worked out by hand")
    func direct() {
        var model = small
        model.gradients.algorithm = .auto
        // Where the ranks of a node share its link, that is MPI_Iallreduce again.
        let shared = cluster(nodes: 4, perNode: 2)
        #expect(model.predict(compute, on: shared) == small.predict(compute, on: shared))
        // Each rank receives 3 quarters of 4 MB, then 3 quarters of the sum; nothing hides it.
        let gradient = 2 * (3 + 0.1)
        let feature = 4 * (0.1 + 16e-6)
        let rest = small.predict(compute, on: cluster(nodes: 4)).communicationSeconds - 2 * (3 + 2 * 0.1)
        #expect(abs(rest - feature - 2 * (0.1 + 48e-6)) < 1e-9)
        let prediction = model.predict(compute, on: cluster(nodes: 4))
        #expect(abs(prediction.communicationSeconds - rest - gradient) < 1e-9)
        model.gradients.wire = .bfloat16
        let rounded = model.predict(compute, on: cluster(nodes: 4))
        #expect(abs(prediction.communicationSeconds - rounded.communicationSeconds - 3) < 1e-9)
        #expect(abs(prediction.exposedSeconds - rounded.exposedSeconds - 3) < 1e-9)
    }

    @Test("each of four nodes updates its part of the weights and hands it on, worked out by hand")
    func sharded() {
        var model = small
        let whole = small.predict(compute, on: cluster(nodes: 4))
        (model.gradients.wire, model.gradients.shardsOptimizer) = (.bfloat16, true)
        let prediction = model.predict(compute, on: cluster(nodes: 4))
        #expect(abs(whole.computeSeconds - prediction.computeSeconds - 0.5 * 3 / 4) < 1e-9)
        // Three quarters of 2 MB of gradients, then of 4 MB of weights, and one more sum over four ranks, of the norm.
        // All was summed by halving and doubling.
        let rest = whole.communicationSeconds - 2 * (3 + 2 * 0.1)
        let norm = 2 * (0.1 + 8e-6)
        #expect(abs(prediction.communicationSeconds - rest - norm - (1.5 + 0.1) - (3 + 0.1)) < 1e-9)
        #expect(abs(prediction.exposedSeconds - (whole.exposedSeconds - 2 * (3 + 2 * 0.1)) - norm - 4.7) < 1e-9)
        // Weights of all buckets but the last travel while those of later ones are updated.
        model.gradients.bucketBytes = 400_000
        let buckets = model.predict(compute, on: cluster(nodes: 4, bandwidth: 1e9))
        #expect(buckets.exposedSeconds < buckets.communicationSeconds - 0.1)
    }

    @Test("messages between losses and gradient are waited for at every exchange")
    func followUp() {
        var plain = small
        plain.regularizer.transport = .gather
        (plain.images, plain.accumulation, plain.spansMicroBatches) = (250, 3, false)
        var more = plain
        more.regularizer.kind = .uniformity
        func seconds(_ model: StepModel) -> Double { model.predict(compute, on: cluster(nodes: 2)).stepSeconds }
        #expect(abs(seconds(more) - seconds(plain) - 3 * (0.1 + 8e-6)) < 1e-9)
        more.regularizer.kind = .koleo
        #expect(abs(seconds(more) - seconds(plain) - 3 * (0.1 + 1e-3)) < 1e-9)
    }

    @Test("a regulariser that spans micro-batches encodes twice and exchanges once")
    func spanning() {
        var apart = small
        (apart.accumulation, apart.spansMicroBatches) = (4, false)
        var spanning = small
        (spanning.accumulation, spanning.encodesTwice) = (4, true)
        #expect(abs(apart.predict(compute, on: cluster(nodes: 1)).stepSeconds - 12.5) < 1e-12)
        #expect(abs(spanning.predict(compute, on: cluster(nodes: 1)).stepSeconds - 14.5) < 1e-12)
        let (a, b) = (apart.predict(compute, on: cluster(nodes: 2)), spanning.predict(compute, on: cluster(nodes: 2)))
        #expect(abs(a.communicationSeconds - b.communicationSeconds - 3 * 2 * (0.1 + 16e-6)) < 1e-9)
    }

    @Test("a network without limits exposes nothing")
    func unlimited() {
        let free = cluster(nodes: 64, perNode: 8, bandwidth: .infinity, latency: 0)
        let prediction = large.predict(compute, on: free)
        #expect(abs(prediction.exposedSeconds) < 1e-12 && prediction.communicationSeconds == 0)
    }

    @Test("a faster link or a shorter latency is not slower, more nodes not quicker", arguments: [1, 2, 3, 8])
    func monotone(perNode: Int) {
        func step(_ nodes: Int, _ bandwidth: Double, _ latency: Double) -> Double {
            large.predict(
                compute,
                on: cluster(nodes: nodes, perNode: perNode, bandwidth: bandwidth, latency: latency, local: 3e9)
            ).stepSeconds
        }
        let speeds = [1e8, 1.25e8, 1.25e9, 1.25e10, 1e11].map { step(16, $0, 5e-5) }
        // Where nearly all is hidden anyway, messages that have arrived sooner leave fewer looks for the others.
        let slack = 5e-3 * (1 + 2 + 0.5)
        #expect(zip(speeds, speeds.dropFirst()).allSatisfy { $0 >= $1 - slack }, "\(speeds)")
        let latencies = [0, 1e-6, 5e-5, 1e-3].map { step(16, 1.25e9, $0) }
        #expect(zip(latencies, latencies.dropFirst()).allSatisfy { $0 <= $1 + slack }, "\(latencies)")
        let sizes = (2...10).map { step(1 << $0, 1.25e9, 5e-5) }
        #expect(zip(sizes, sizes.dropFirst()).allSatisfy { $0 <= $1 + slack }, "\(sizes)")
    }

    @Test("TCP hides less than a network that moves messages by itself, and no less than nothing")
    func window() {
        func exposed(_ window: Double) -> Double {
            var tcp = cluster(nodes: 2, bandwidth: 1.25e9, latency: 5e-5, local: 3e9)
            tcp.window = window
            return large.predict(compute, on: tcp).exposedSeconds
        }
        // 20 × 12 looks while buckets are under way in backward hide so much each, those in the decoder all of the
        // features.
        let hidden = exposed(0) - exposed(1e5)
        #expect(hidden > 0.85 * 20 * 12 * 1e5 / 1.25e9 && hidden < 30 * 12 * 1e5 / 1.25e9, "\(hidden)")
        #expect(exposed(.infinity) < 0.5 * exposed(1e5))
    }

    @Test("hidden messages are not exposed, all of them are at most")
    func bounds() {
        for nodes in [1, 2, 5, 64, 1024] {
            let prediction = large.predict(compute, on: cluster(nodes: nodes, perNode: 8, local: 3e9))
            #expect(prediction.exposedSeconds > 0)
            #expect(prediction.exposedSeconds <= prediction.communicationSeconds + 1e-9)
        }
    }

    @Test("buckets leave as soon as they are full, the last with what is left")
    func buckets() {
        var model = step(
            width: 1, [10, 20, 5, 40, 3].map { GradientStage(elements: $0, share: 0.2) })
        model.gradients.bucketBytes = 100
        #expect(model.bucketElements.map(\.stage) == [1, 3, 3, 4])
        #expect(model.bucketElements.map(\.elements) == [25, 25, 25, 3])
    }

    @Test("computing is interpolated between measured sizes, in proportion beyond them")
    func interpolation() {
        func sample(_ images: Int, _ forward: Double, twice: Bool = false) -> ComputeCost.Sample {
            ComputeCost.Sample(
                images: images, encodesTwice: twice, data: 0.1, forward: forward, backward: 2 * forward, update: 0.25)
        }
        let cost = ComputeCost(samples: [sample(32, 8), sample(8, 3)], encoderShare: 0.25)
        #expect(cost.microBatch(images: 8, encodesTwice: false).forward == 3)
        #expect(cost.microBatch(images: 14, encodesTwice: false).forward == 4.25)
        #expect(cost.microBatch(images: 14, encodesTwice: false).backward == 8.5)
        #expect(cost.microBatch(images: 64, encodesTwice: false).forward == 16)
        #expect(cost.microBatch(images: 4, encodesTwice: false).forward == 1.5)
        #expect(cost.update == 0.25)
        // Not measured so: a quarter of forward more, images prepared twice.
        let twice = cost.microBatch(images: 32, encodesTwice: true)
        #expect(twice.collecting == 2 && twice.forward == 8 && twice.data == 0.2 && twice.backward == 16)
        // Measured so: of 10 seconds forward 2 were the first encoding.
        let measured = ComputeCost(samples: [sample(32, 8), sample(32, 10, twice: true)], encoderShare: 0.25)
        let known = measured.microBatch(images: 32, encodesTwice: true)
        #expect(known.collecting == 2 && known.forward == 8 && known.data == 0.1)
    }
}
