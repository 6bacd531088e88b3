import ArgumentParser
import Communication
import Foundation
import Measurement
import Options
import Planning
import Settings

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
    @Flag(inversion: .prefixedNo, help: "Print one JSON object instead of a table.") var json = false
    @OptionGroup var run: PretrainOptions

    /// Flags of a run that a plan has no use for; recipes may hold them.
    static let unused: Set<String> = [
        "print-config", "dry-run", "timeline", "output-dir", "resume", "checkpoint-every", "keep-checkpoints",
        "keep-every", "mean", "std", "augment", "crop-min", "on-bad-image",
        "spike-guard", "spike-threshold", "replica-check-every", "stall-timeout", "device", "log-dir", "val-interval",
        "pin-mem", "world-size", "local-rank", "dist-on-itp", "dist-url",
    ]

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

    /// Throws `SettingsError` naming the first flag that cannot be.
    func check() throws {
        try machine.checkRanks()
        guard !run.exchange.deterministic else {
            throw SettingsError("plan does not know what --deterministic costs: leave it out")
        }
        let accumulation = run.optimisation.accumIter
        if scaling == .strong && accumulation > 1 {
            throw SettingsError(
                "--accum-iter \(accumulation) is for --scaling weak; with --scaling strong it follows from "
                    + "--effective-batch-size and --batch-size: leave it out, or give --accum-iter 1 over a recipe's")
        }
        guard measurement.secondsPerImage == nil || measurement.benchJson == nil else {
            throw SettingsError("--seconds-per-image and --bench-json say the same thing twice: give one of them")
        }
        guard measurement.secondsPerUpdate == 0 || measurement.secondsPerImage != nil else {
            throw SettingsError("--seconds-per-update belongs to --seconds-per-image: give both")
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

    func validate() throws {
        try Bounds.check("--ranks-per-node", ranksPerNode, 1...Self.mostRanks)
        try Bounds.check("--bandwidth", bandwidth, .above(0), most: 1e9)
        try Bounds.check("--local-bandwidth", localBandwidth, .above(0), most: 1e9)
        try Bounds.check("--latency", latency, .atLeast(0), most: 1e9)
        try Bounds.check("--local-latency", localLatency, .atLeast(0), most: 1e9)
    }

    /// Throws `SettingsError` if there are more ranks than can be planned.
    func checkRanks() throws {
        let ranks = (nodes.values.last ?? 1).multipliedReportingOverflow(by: ranksPerNode)
        guard !ranks.overflow && ranks.partialValue <= Self.mostRanks else {
            throw SettingsError(
                "--nodes \(nodes.values.last ?? 1) × --ranks-per-node \(ranksPerNode) is more than the "
                    + "\(Self.mostRanks) ranks that can be planned: lower one of them")
        }
    }

    /// Whether nothing within a host has to be measured.
    var localIsGiven: Bool { localBandwidth != nil && localLatency != nil }

    /// The machine, its local figures those given, measured here, or usual.
    func cluster(measured: (rankBandwidth: Double, messageOverhead: Double)?) -> Cluster {
        var cluster = Cluster()
        cluster.ranksPerNode = ranksPerNode
        cluster.linkBandwidth = bandwidth * 1e9 / 8 * transport.payload
        cluster.linkLatency = latency * 1e-6
        cluster.window = transport.window
        cluster.protocolBandwidth = transport.protocolBandwidth
        cluster.rankBandwidth = localBandwidth.map { $0 * 1e9 } ?? measured?.rankBandwidth ?? 3e9
        cluster.messageOverhead = localLatency.map { $0 * 1e-6 } ?? measured?.messageOverhead ?? 1e-6
        return cluster
    }
}

struct PlanMeasurementOptions: ParsableArguments {
    @Option(help: "Steps measured of each size of the micro-batch, after one that is not.") var steps = 3
    @Option(help: "Measure nothing: seconds that a rank needs for one image of a step, without messages.")
    var secondsPerImage: Double?
    @Option(help: "With --seconds-per-image: seconds of a rank for the optimizer.") var secondsPerUpdate = 0.0
    @Option(
        help: "Measure nothing: the file that umae-dist bench --json wrote, of ranks as they are planned.",
        completion: .file())
    var benchJson: String?

    func validate() throws {
        try Bounds.check("--steps", steps, 1...1_000_000)
        try Bounds.check("--seconds-per-image", secondsPerImage, .above(0), most: 1e9)
        try Bounds.check("--seconds-per-update", secondsPerUpdate, .atLeast(0), most: 1e9)
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
            throw SettingsError("--bench-json: \(benchJson) is not what umae-dist bench --json writes")
        } catch {
            throw SettingsError("--bench-json: \(benchJson) cannot be read: \(error.localizedDescription)")
        }
        guard result.model == model else {
            throw SettingsError(
                "--bench-json: \(benchJson) is of \(result.model), planned is \(model): run bench --model \(model)")
        }
        guard result.batchSizePerRank >= 1 && result.accumIter >= 1 else {
            throw SettingsError("--bench-json: \(benchJson) has no images in its batch")
        }
        return result
    }
}

extension ScalingPlan.Scaling: ExpressibleByArgument {}
