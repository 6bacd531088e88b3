import Commands
import Host
import DataParallel
import Foundation
import Measurement
import Options
import Planning
import Pretraining
import Regularizers
import Tensors
import TrainingRuns

/// A plan as a table for people, or as JSON.
struct PlanReport {
    /// Where the seconds come from that a rank computes.
    enum Source {
        case measured(ranks: Int)
        case bench(Benchmark.Result)
        case secondsPerImage(Double)

        var name: String {
            switch self {
            case .measured: "measured"
            case .bench: "bench-json"
            case .secondsPerImage: "seconds-per-image"
            }
        }

        var ranks: Int? {
            switch self {
            case .measured(let ranks): ranks
            case .bench(let result): result.ranks
            case .secondsPerImage: nil
            }
        }
    }

    let options: PlanOptions
    let plan: ScalingPlan
    let compute: ComputeCost
    let source: Source
    let threads: Int
    let localIsMeasured: Bool
    let rows: [ScalingPlan.Row]

    // MARK: Table

    var table: String {
        ([heading, measured, assumed] + notes + [""] + lines + obstacles).joined(separator: "\n")
    }

    private var heading: String {
        let c = plan.configuration
        let own = c.accumulation > 1 ? "\(plan.mostImages) × \(c.accumulation)" : "\(plan.mostImages)"
        let batch =
            plan.scaling == .strong
            ? "effective batch \(c.effectiveBatchSize)" : "\(own) images per rank whatever their number"
        let length = plan.trainingSet.images.map { " of \($0) images" } ?? ""
        return "plan     \(options.run.model.model), \(c.precision.rawValue), \(batch), "
            + "\(c.epochs - c.startEpoch) epochs\(length)"
    }

    private var measured: String {
        let figures = compute.samples.map { sample -> String in
            let seconds = sample.data + sample.forward + sample.backward
            return "\(counted(sample.images, "image"))\(sample.encodesTwice ? " encoded twice" : "") "
                + Self.seconds(seconds)
        }
        let list = (figures + ["an update besides \(Self.seconds(compute.update))"]).joined(separator: ", ")
        guard let ranks = source.ranks else { return "given    of one rank: \(list)" }
        let world = "\(counted(ranks, "rank")) × \(counted(threads, "thread"))"
        guard case .measured = source else { return "measured \(world) in --bench-json: \(list)" }
        return "measured \(world) here, without messages: \(list)"
    }

    private var assumed: String {
        let c = plan.cluster
        let transport = plan.divisions.first { $0.obstacle == nil }.map { plan.transport(for: $0) }
        return String(
            format:
                "assumed  %d ranks a node, %g Gbit/s and %g µs between nodes (%@); a rank takes in %.2g GB/s and %.2g µs "
                + "a message (%@); buckets of %g MiB, features %@", c.ranksPerNode, options.machine.bandwidth,
            options.machine.latency, options.machine.transport.rawValue, c.rankBandwidth / 1e9, c.messageOverhead * 1e6,
            localSource, Double(plan.configuration.gradientExchange.bucketBytes) / 1_048_576,
            transport == .gram ? "as Gram matrices" : "gathered")
    }

    private var localSource: String {
        switch (options.machine.localBandwidth, options.machine.localLatency) {
        case (.some, .some): "given"
        case (nil, nil): localIsMeasured ? "measured" : "usual figures"
        default: localIsMeasured ? "given and measured" : "given and usual"
        }
    }

    private var notes: [String] {
        var notes: [String] = []
        let perNode = options.machine.ranksPerNode
        if case .measured(let ranks) = source, ranks < perNode {
            notes.append(
                "note     \(perNode) ranks share a node's memory, \(ranks) did here: mpirun -n \(perNode) on such a node "
                    + "measures that")
        }
        if plan.trainingSet.images == nil {
            notes.append(
                "note     no days: \(options.run.data.dataPath) cannot be opened here; say with --images how many images "
                    + "the training set has")
        }
        return notes
    }

    private static let headings = [
        "nodes", "ranks", "batch", "step s", "images/s", "exposed s", "exposed", "efficiency", "memory/rank", "days",
    ]

    private var lines: [String] {
        let cells = [Self.headings] + rows.filter { $0.obstacle == nil }.map(Self.cells)
        let widths = Self.headings.indices.map { column in cells.reduce(0) { max($0, $1[column].count) } }
        return cells.map { row in
            zip(row, widths).map { String(repeating: " ", count: $1 - $0.count) + $0 }.joined(separator: "  ")
        }
    }

    private var obstacles: [String] {
        rows.compactMap { row in row.obstacle.map { "\(counted(row.nodes, "node")): \($0)" } }
    }

    private static func cells(_ r: ScalingPlan.Row) -> [String] {
        let step = r.secondsPerStep ?? 0
        let exposed = r.exposedCommunicationSeconds ?? 0
        return [
            "\(r.nodes)", "\(r.ranks)", "\(r.batchSizePerRank ?? 0) × \(r.accumIter ?? 0)", figure(step),
            figure(r.imagesPerSecond ?? 0), figure(exposed), String(format: "%.1f%%", 100 * exposed / step),
            String(format: "%.1f%%", 100 * (r.efficiency ?? 0)),
            String(format: "%.0f MiB", Double(r.plannedMemoryBytes ?? 0) / 1_048_576), r.days.map(figure) ?? "–",
        ]
    }

    /// Three digits that count, or all before the point.
    private static func figure(_ value: Double) -> String {
        let digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : value >= 0.1 ? 3 : 4
        return String(format: "%.\(digits)f", value)
    }

    private static func seconds(_ value: Double) -> String {
        value >= 1 ? String(format: "%.2f s", value) : String(format: "%.3g ms", 1e3 * value)
    }

    // MARK: JSON

    /// The keys of `umae-dist plan --json`, in snake case.
    private struct Document: Encodable {
        struct Sample: Encodable {
            let images: Int
            let encodesTwice: Bool
            let secondsPerPhase: [String: Double]
        }

        let model: String
        let precision: String
        let scaling: String
        let effectiveBatchSize: Int
        let epochs: Int
        let images: Int?
        let source: String
        let measuredRanks: Int?
        let threadsPerRank: Int
        let samples: [Sample]
        let ranksPerNode: Int
        let bandwidthGbitPerSecond: Double
        let latencyMicroseconds: Double
        let transport: String
        let localBandwidthGbPerSecond: Double
        let localLatencyMicroseconds: Double
        let bucketBytes: Int
        let rows: [ScalingPlan.Row]
    }

    func json() throws -> String {
        let c = plan.configuration
        let samples = compute.samples.map {
            Document.Sample(
                images: $0.images, encodesTwice: $0.encodesTwice,
                secondsPerPhase: [
                    "data": $0.data, "forward": $0.forward, "backward": $0.backward, "optimizer": $0.update,
                ])
        }
        let document = Document(
            model: options.run.model.model, precision: c.precision.rawValue, scaling: plan.scaling.rawValue,
            effectiveBatchSize: c.effectiveBatchSize, epochs: c.epochs - c.startEpoch, images: plan.trainingSet.images,
            source: source.name, measuredRanks: source.ranks, threadsPerRank: threads, samples: samples,
            ranksPerNode: plan.cluster.ranksPerNode, bandwidthGbitPerSecond: options.machine.bandwidth,
            latencyMicroseconds: options.machine.latency, transport: options.machine.transport.rawValue,
            localBandwidthGbPerSecond: plan.cluster.rankBandwidth / 1e9,
            localLatencyMicroseconds: plan.cluster.messageOverhead * 1e6,
            bucketBytes: c.gradientExchange.bucketBytes, rows: rows)
        return try JSONReport.text(document, usesSnakeCase: true)
    }
}
