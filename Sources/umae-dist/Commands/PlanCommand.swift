import ArgumentParser
import Communication
import DataParallel
import Foundation
import ImageData
import Measurement
import Models
import Planning
import Regularizers
import Settings
import Tensors
import Pretraining

/// `umae-dist plan`: what a run would be on machines that are not here.
struct PlanCommand: WorldCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Predict step time, images/s, exposed communication, memory and days for up to 1,024 nodes and more.",
        discussion: """
            A few steps are measured here without messages, on all ranks at once if there are several; messages are \
            computed from --bandwidth, --latency and the algorithms of Open MPI 4.1. docs/scaling.md has the model and \
            how far it is off. Flags of pretrain and recipes say what is planned: --effective-batch-size is divided \
            among ranks and micro-batches of at most --batch-size (32) images, as many as that takes.
            """)

    @OptionGroup var options: PlanOptions

    /// The effective batch is divided into micro-batches of at most the batch size, so that these go together.
    static var alternatives: [[String]] { [["lr", "blr"]] }
    static var unused: Set<String> { PlanOptions.unused }

    /// Of the online classifier where the data is not here: those of ImageNet-1K.
    private static var usualClasses: Int { 1000 }

    func run(in world: any Communicator) throws -> Int32 {
        let bench = try world.agree {
            try options.check()
            return try options.measurement.bench(ofModel: options.run.model.model)
        }
        try world.agreeOnEqual("plans", options.lines)
        let element = try self.element(bench, in: world)
        let (data, configuration) = try world.agree {
            let data = try dataset()
            return (data, try run(of: data, element))
        }
        try world.agreeOnEqual("configurations", configuration.settings.map(\.line))
        let team = try options.run.compute.team(in: world)
        let bucketBytes = configuration.gradientExchange.bucketBytes
        let localIsGiven = options.machine.localBandwidth != nil && options.machine.localLatency != nil
        let local =
            try localIsGiven ? nil : ScalingMeasurement.local(bucketBytes: bucketBytes, communicator: world)
        let plan = ScalingPlan(
            configuration: configuration, scaling: options.scaling, mostImages: options.mostImages,
            cluster: options.machine.cluster(measured: local), nodes: options.machine.nodes.values,
            datasetImages: data.images, heldBytes: data.heldBytes, classes: data.classes,
            prefetch: options.run.data.numWorkers,
            recomputesActivations: options.run.compute.recomputeActivations)
        try world.agree {
            let batch = plan.divisions.reduce(0) { max($0, $1.effectiveBatch) }
            if let images = data.images, batch > images {
                throw SettingsError(
                    "an update of \(batch) images is more than the \(images) of the training set: lower "
                        + "--effective-batch-size (or --batch-size with --scaling weak)")
            }
        }
        let samples = try self.samples(plan, bench, team, in: world)
        // One rank writes, and lays out every row's memory for it.
        let rows = try world.agree {
            guard world.rank == 0, !samples.isEmpty else { return [ScalingPlan.Row]() }
            let flops = configuration.model.forwardFlops
            let encoder = flops.encoder(configuration.model) / flops.total(configuration.model)
            return try plan.rows(ComputeCost(samples: samples, encoderShare: encoder), team: team)
        }
        guard world.rank == 0 else { return 0 }
        let report = PlanReport(
            options: options, plan: plan, samples: samples, source: source, bench: bench, ranksHere: world.size,
            threads: bench?.threadsPerRank ?? team.count, localIsMeasured: local != nil,
            rows: samples.isEmpty ? plan.divisions.map(PlanReport.emptyRow) : rows)
        Console.print(try options.json ? report.json() : report.table)
        return rows.contains { $0.obstacle == nil } ? 0 : 1
    }

    private var source: PlanReport.Source {
        if options.measurement.secondsPerImage != nil { return .secondsPerImage }
        return options.measurement.benchJson == nil ? .measured : .benchJSON
    }

    /// What products read: as measured, or as asked for where nothing is measured and so this CPU does not matter.
    private func element(_ bench: Benchmark.Result?, in world: any Communicator) throws -> ElementType {
        let asked = options.run.compute.precision
        if let bench {
            return try world.agree {
                guard let element = ElementType(rawValue: bench.precision) else {
                    throw SettingsError("--bench-json: '\(bench.precision)' is no precision")
                }
                if let asked, asked != .auto, asked.rawValue != bench.precision {
                    throw SettingsError(
                        "--bench-json is of \(bench.precision), --precision asks for \(asked.rawValue): leave it out")
                }
                return element
            }
        }
        if source == .secondsPerImage, let asked, asked != .auto { return asked == .bf16 ? .bfloat16 : .float32 }
        return try options.run.compute.element(in: world)
    }

    /// Images, classes and channels of the data and the memory they take, as far as they are known: --images spares
    /// opening it. Classes are nil where there are no labels.
    private func dataset() throws -> (images: Int?, classes: Int?, channels: Int?, heldBytes: Int) {
        let data = options.run.data
        if let images = data.images { return (images, Self.usualClasses, nil, 0) }
        if data.dataPath == ImageDataset.syntheticName {
            let model = try options.run.model.configuration()
            let images = SyntheticImageParameters(
                count: data.syntheticImages, channels: model.channels,
                size: ImageData.ImageSize(height: model.imageHeight, width: model.imageWidth))
            return (images.count, images.classCount, nil, images.heldBytes)
        }
        guard let source = try? ImageDataset.open(path: data.dataPath, split: .train) else {
            return (nil, Self.usualClasses, nil, 0)
        }
        return (source.count, source.classCount, source.channels, source.heldBytes)
    }

    /// The run with its whole batch on one rank.
    private func run(
        of data: (images: Int?, classes: Int?, channels: Int?, heldBytes: Int), _ element: ElementType
    ) throws -> PretrainConfiguration {
        var whole = options.run
        whole.optimisation.batchSize = nil
        whole.optimisation.accumIter = 1
        let channels = try data.channels ?? whole.model.inChans ?? whole.model.configuration().channels
        var configuration = try whole.configuration(ranks: 1, channels: channels, precision: element)
        configuration.accumulation = options.run.optimisation.accumIter
        return configuration
    }

    /// What was measured here, or handed in; nothing if no row needs it.
    private func samples(
        _ plan: ScalingPlan, _ bench: Benchmark.Result?, _ team: Team, in world: any Communicator
    ) throws -> [ComputeCost.Sample] {
        let wanted = plan.samplesWanted
        guard !wanted.isEmpty else { return [] }
        if let bench {
            let twice = plan.configuration.loss.encodesTwice(bench.accumIter)
            return [ScalingMeasurement.sample(from: bench, encodesTwice: twice)]
        }
        if let seconds = options.measurement.secondsPerImage {
            // Backward has twice forward's multiply-adds.
            return [
                ComputeCost.Sample(
                    images: 1, encodesTwice: false, data: 0, forward: seconds / 3, backward: 2 * seconds / 3,
                    update: options.measurement.secondsPerUpdate)
            ]
        }
        var measured = plan.configuration
        // Products of the same shape as in the run, as far as one rank can.
        if let division = plan.divisions.first(where: { $0.obstacle == nil }) {
            measured.loss.regularizer.transport = plan.transport(for: division)
        }
        return try wanted.map {
            try ScalingMeasurement.compute(
                measured, images: $0.images, encodesTwice: $0.encodesTwice, steps: options.measurement.steps,
                recomputesActivations: options.run.compute.recomputeActivations, communicator: world, team: team)
        }
    }
}
