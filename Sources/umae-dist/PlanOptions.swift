import ArgumentParser
import DataParallel
import Foundation
import Models
import Planning
import Training

/// Flags of `plan`: those of the run that is planned, and of the machine it is planned for.
struct PlanOptions: ParsableArguments {
    @OptionGroup(title: "Machine") var machine: MachineOptions
    @OptionGroup(title: "Measurement") var measurement: PlanMeasurementOptions
    @Option(
        help: """
            strong (the effective batch stays, ranks have less of it) or weak (every rank keeps --batch-size × \
            --accum-iter images, the effective batch grows).
            """)
    var scaling = ScalingPlan.Scaling.strong
    @Flag(help: "Print one JSON object instead of a table.") var json = false
    @OptionGroup var run: PretrainOptions

    /// Images of a rank's micro-batch at most.
    var mostImages: Int { run.optimisation.batchSize ?? 32 }

    /// What must be the same on all ranks, for they measure together.
    var lines: [String] {
        let given: [(String, (any Sendable)?)] = [
            ("--batch-size", mostImages), ("--accum-iter", run.optimisation.accumIter), ("--images", run.data.images),
            ("--scaling", scaling.rawValue),
            ("--nodes", machine.nodes.values), ("--ranks-per-node", machine.ranksPerNode),
            ("--transport", machine.transport.rawValue), ("--local-bandwidth", machine.localBandwidth),
            ("--local-latency", machine.localLatency),
            ("--bucket-mib", run.exchange.bucketMib), ("--steps", measurement.steps),
            ("--seconds-per-image", measurement.secondsPerImage),
            ("--bench-json", measurement.benchJson),
        ]
        return given.map { name, value in "\(name) \(value.map { "\($0)" } ?? "not given")" }
    }

    /// Throws `ModelError` naming the first flag that cannot be.
    func check() throws {
        try machine.check()
        try measurement.check()
        let exchange = try run.exchange.configuration()
        guard exchange.fixedShards == 0 else {
            throw ModelError("plan does not know what --deterministic costs: leave it out")
        }
        guard mostImages >= 1 && mostImages <= 1 << 20 else {
            throw ModelError("--batch-size is \(mostImages): it must be at least 1 and at most \(1 << 20)")
        }
        let accumulation = run.optimisation.accumIter
        guard accumulation >= 1 && accumulation <= 1 << 20 else {
            throw ModelError("--accum-iter is \(accumulation): it must be at least 1 and at most \(1 << 20)")
        }
        if scaling == .strong && accumulation > 1 {
            throw ModelError(
                "--accum-iter \(accumulation) is for --scaling weak; with --scaling strong it follows from "
                    + "--effective-batch-size and --batch-size: leave it out, or give --accum-iter 1 over a recipe's")
        }
        if let images = run.data.images, images < 1 {
            throw ModelError("--images is \(images): it must be at least 1")
        }
    }
}

struct MachineOptions: ParsableArguments {
    enum Transport: String, CaseIterable, ExpressibleByArgument {
        case tcp, rdma

        /// Bytes of a rank under way while it computes, at most; of TCP what was measured with Linux's default buffers.
        var window: Double { self == .tcp ? 2e6 : .infinity }
        /// What headers of Ethernet, IP and TCP leave of a link.
        var payload: Double { self == .tcp ? 0.95 : 1 }
        /// Bytes per second of a core in each direction; of TCP what was measured on the machine of docs/scaling.md.
        var protocolBandwidth: Double { self == .tcp ? 1.5e9 : .infinity }
    }

    @Option(help: "Numbers of nodes, as 1,2,8 or 1,2,4,...,1024.")
    var nodes = NodeCounts(values: (0...10).map { 1 << $0 })
    @Option(help: "Ranks on each node.") var ranksPerNode = 8
    @Option(help: "Gbit/s of each node's link, in each direction.") var bandwidth = 10.0
    @Option(help: "Microseconds that a message between nodes takes besides its bytes.") var latency = 50.0
    @Option(
        help: """
            How messages move between nodes: tcp (while a rank computes, only what its sockets' buffers hold) or rdma \
            (InfiniBand, RoCE: by themselves).
            """)
    var transport = Transport.tcp
    @Option(
        help: """
            GB/s at which a rank takes in what it receives, copied and added, with all ranks of its node at it (default: \
            measured if there are several ranks here, otherwise 3).
            """)
    var localBandwidth: Double?
    @Option(help: "Microseconds of a rank for each message it receives (default: measured likewise, otherwise 1).")
    var localLatency: Double?

    /// Rounds are counted message by message.
    private static var mostRanks: Int { 1 << 17 }

    func check() throws {
        guard ranksPerNode >= 1 else {
            throw ModelError("--ranks-per-node is \(ranksPerNode): it must be at least 1")
        }
        let ranks = (nodes.values.last ?? 1).multipliedReportingOverflow(by: ranksPerNode)
        guard !ranks.overflow && ranks.partialValue <= Self.mostRanks else {
            throw ModelError(
                "--nodes \(nodes.values.last ?? 1) × --ranks-per-node \(ranksPerNode) is more than the "
                    + "\(Self.mostRanks) ranks that can be planned: lower one of them")
        }
        for (flag, value) in [("--bandwidth", bandwidth), ("--local-bandwidth", localBandwidth ?? 1)]
        where !(value > 0 && value.isFinite) { throw ModelError("\(flag) is \(value): it must be above 0") }
        for (flag, value) in [("--latency", latency), ("--local-latency", localLatency ?? 0)]
        where !(value >= 0 && value.isFinite) { throw ModelError("\(flag) is \(value): it must be 0 or above") }
    }

    /// The machine, its local figures those given, measured here, or usual.
    func cluster(measured: (rankBandwidth: Double, messageOverhead: Double)?) -> Cluster {
        Cluster(
            nodes: 1, ranksPerNode: ranksPerNode, linkBandwidth: bandwidth * 1e9 / 8 * transport.payload,
            linkLatency: latency * 1e-6,
            window: transport.window, protocolBandwidth: transport.protocolBandwidth,
            rankBandwidth: localBandwidth.map { $0 * 1e9 } ?? measured?.rankBandwidth ?? 3e9,
            messageOverhead: localLatency.map { $0 * 1e-6 } ?? measured?.messageOverhead ?? 1e-6)
    }
}

struct PlanMeasurementOptions: ParsableArguments {
    @Option(help: "Steps measured of each size of the micro-batch, after one that is not.") var steps = 3
    @Option(help: "Measure nothing: seconds that a rank needs for one image of a step, without messages.")
    var secondsPerImage: Double?
    @Option(help: "With --seconds-per-image: seconds of a rank for the optimizer.") var secondsPerUpdate = 0.0
    @Option(help: "Measure nothing: the file that umae-dist bench --json wrote, of ranks as they are planned.")
    var benchJson: String?

    func check() throws {
        guard steps >= 1 else { throw ModelError("--steps is \(steps): it must be at least 1") }
        guard secondsPerImage == nil || benchJson == nil else {
            throw ModelError("--seconds-per-image and --bench-json say the same thing twice: give one of them")
        }
        if let secondsPerImage, !(secondsPerImage > 0 && secondsPerImage.isFinite) {
            throw ModelError("--seconds-per-image is \(secondsPerImage): it must be above 0")
        }
        guard secondsPerUpdate >= 0 && secondsPerUpdate.isFinite else {
            throw ModelError("--seconds-per-update is \(secondsPerUpdate): it must be 0 or above")
        }
        guard secondsPerUpdate == 0 || secondsPerImage != nil else {
            throw ModelError("--seconds-per-update belongs to --seconds-per-image: give both")
        }
    }

    /// What `--bench-json` names.
    ///
    /// - Throws: one line with the file if it cannot be read or is of another model.
    func bench(ofModel model: String) throws -> Benchmark.Result? {
        guard let benchJson else { return nil }
        let result: Benchmark.Result
        do {
            let data = try Data(contentsOf: URL(fileURLWithPath: benchJson))
            result = try JSONDecoder().decode(Benchmark.Result.self, from: data)
        } catch is DecodingError {
            throw ModelError("--bench-json: \(benchJson) is not what umae-dist bench --json writes")
        } catch {
            throw ModelError("--bench-json: \(benchJson) cannot be read: \(error.localizedDescription)")
        }
        guard result.model == model else {
            throw ModelError(
                "--bench-json: \(benchJson) is of \(result.model), planned is \(model): run bench --model \(model)")
        }
        guard result.batchSizePerRank >= 1 && result.accumIter >= 1 else {
            throw ModelError("--bench-json: \(benchJson) has no images in its batch")
        }
        return result
    }
}

extension ScalingPlan.Scaling: ExpressibleByArgument {}
