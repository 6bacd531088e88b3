import DataParallel
import Foundation
import Measurement
import Models
import Planning
import Regularizers
import Tensors
import Pretraining

/// A plan as a table for people, or as JSON.
struct PlanReport {
    enum Source: String, Codable {
        case measured
        case benchJSON = "bench-json"
        case secondsPerImage = "seconds-per-image"
    }

    let options: PlanOptions
    let plan: ScalingPlan
    let samples: [ComputeCost.Sample]
    let source: Source
    let bench: Benchmark.Result?
    let ranksHere: Int
    let threads: Int
    let localIsMeasured: Bool
    let rows: [ScalingPlan.Row]

    static func emptyRow(_ division: ScalingPlan.Division) -> ScalingPlan.Row {
        ScalingPlan.Row(nodes: division.nodes, ranks: division.ranks, obstacle: division.obstacle)
    }

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
        let length = plan.datasetImages.map { " of \($0) images" } ?? ""
        return "plan     \(options.run.model.model), \(c.precision.rawValue), \(batch), "
            + "\(c.epochs - c.startEpoch) epochs\(length)"
    }

    private var measured: String {
        let figures = samples.map { sample -> String in
            let seconds = sample.data + sample.forward + sample.backward
            return "\(sample.images) image\(sample.images == 1 ? "" : "s")"
                + "\(sample.encodesTwice ? " encoded twice" : "") \(Self.seconds(seconds))"
        }
        let update = samples.isEmpty ? 0 : samples.reduce(0) { $0 + $1.update } / Double(samples.count)
        let list = (figures + ["an update besides \(Self.seconds(update))"]).joined(separator: ", ")
        switch source {
        case .measured: return "measured \(Self.world(ranksHere, threads)) here, without messages: \(list)"
        case .benchJSON: return "measured \(Self.world(bench?.ranks ?? 1, threads)) in --bench-json: \(list)"
        case .secondsPerImage: return "given    of one rank: \(list)"
        }
    }

    private var assumed: String {
        let c = plan.cluster
        let transport = plan.divisions.first { $0.obstacle == nil }.map { plan.transport(for: $0) }
        return String(
            format:
                "assumed  %d ranks a node, %g Gbit/s and %g µs between nodes (%@); a rank takes in %.2g GB/s and %.2g µs "
                + "a message (%@); buckets of %g MiB, features %@", c.ranksPerNode, options.machine.bandwidth,
            options.machine.latency, options.machine.transport.rawValue, c.rankBandwidth / 1e9, c.messageOverhead * 1e6,
            localSource,
            Double(plan.configuration.gradientExchange.bucketBytes) / 1048576,
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
        if source == .measured && ranksHere < options.machine.ranksPerNode {
            notes.append(
                "note     \(options.machine.ranksPerNode) ranks share a node's memory, \(ranksHere) did here: mpirun -n "
                    + "\(options.machine.ranksPerNode) on such a node measures that")
        }
        if plan.datasetImages == nil {
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
        rows.compactMap { row in
            row.obstacle.map { "\(row.nodes) node\(row.nodes == 1 ? "" : "s"): \($0)" }
        }
    }

    private static func cells(_ r: ScalingPlan.Row) -> [String] {
        let step = r.secondsPerStep ?? 0
        let exposed = r.exposedCommunicationSeconds ?? 0
        return [
            "\(r.nodes)", "\(r.ranks)", "\(r.batchSizePerRank ?? 0) × \(r.accumIter ?? 0)", figure(step),
            figure(r.imagesPerSecond ?? 0), figure(exposed), String(format: "%.1f%%", 100 * exposed / step),
            String(format: "%.1f%%", 100 * (r.efficiency ?? 0)),
            String(format: "%.0f MiB", Double(r.plannedMemoryBytes ?? 0) / 1048576), r.days.map(figure) ?? "–",
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

    private static func world(_ ranks: Int, _ threads: Int) -> String {
        "\(ranks) rank\(ranks == 1 ? "" : "s") × \(threads) thread\(threads == 1 ? "" : "s")"
    }

    // MARK: JSON

    private struct Document: Codable {
        struct Sample: Codable {
            var images: Int
            var encodesTwice: Bool
            var secondsPerPhase: [String: Double]

            enum CodingKeys: String, CodingKey {
                case images
                case encodesTwice = "encodes_twice"
                case secondsPerPhase = "seconds_per_phase"
            }
        }

        var model: String
        var precision: String
        var scaling: String
        var effectiveBatchSize: Int
        var epochs: Int
        var images: Int?
        var source: Source
        var measuredRanks: Int?
        var threadsPerRank: Int
        var samples: [Sample]
        var ranksPerNode: Int
        var bandwidth: Double
        var latency: Double
        var transport: String
        var localBandwidth: Double
        var localLatency: Double
        var bucketBytes: Int
        var rows: [ScalingPlan.Row]

        enum CodingKeys: String, CodingKey {
            case model, precision, scaling, epochs, images, source, samples, transport, rows
            case effectiveBatchSize = "effective_batch_size"
            case measuredRanks = "measured_ranks"
            case threadsPerRank = "threads_per_rank"
            case ranksPerNode = "ranks_per_node"
            case bandwidth = "bandwidth_gbit_per_second"
            case latency = "latency_microseconds"
            case localBandwidth = "local_bandwidth_gb_per_second"
            case localLatency = "local_latency_microseconds"
            case bucketBytes = "bucket_bytes"
        }
    }

    func json() throws -> String {
        let c = plan.configuration
        let document = Document(
            model: options.run.model.model, precision: c.precision.rawValue, scaling: plan.scaling.rawValue,
            effectiveBatchSize: c.effectiveBatchSize, epochs: c.epochs - c.startEpoch, images: plan.datasetImages,
            source: source, measuredRanks: source == .measured ? ranksHere : bench?.ranks, threadsPerRank: threads,
            samples: samples.map {
                Document.Sample(
                    images: $0.images, encodesTwice: $0.encodesTwice,
                    secondsPerPhase: [
                        "data": $0.data, "forward": $0.forward, "backward": $0.backward, "optimizer": $0.update,
                    ])
            }, ranksPerNode: plan.cluster.ranksPerNode, bandwidth: options.machine.bandwidth,
            latency: options.machine.latency, transport: options.machine.transport.rawValue,
            localBandwidth: plan.cluster.rankBandwidth / 1e9,
            localLatency: plan.cluster.messageOverhead * 1e6,
            bucketBytes: plan.configuration.gradientExchange.bucketBytes, rows: rows)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        return String(decoding: try encoder.encode(document), as: UTF8.self)
    }
}
