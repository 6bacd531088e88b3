import ArgumentParser
import Commands
import Communication
import DataParallel
import Foundation
import ImageArrays
import ImageCodecs
import ImageData
import ImageSources
import Measurement
import Models
import Options
import Planning
import Pretraining
import Regularizers
import Runs
import Settings
import Tensors
import TrainingRuns

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

    private func computing(workers: Int? = nil) -> ComputeConfiguration {
        var computing = options.run.compute.computing(workers: workers)
        // A run's, not a plan's.
        computing.timeline = nil
        return computing
    }

    func run(in world: any Communicator) throws -> Int32 {
        let source = try world.agree {
            try options.check()
            return try self.source(ranks: world.size)
        }
        try world.agreeOnEqual("plans", options.lines)
        let element = try self.element(source, in: world)
        let trainingSet = try self.trainingSet(in: world)
        let configuration = try world.agree { try run(on: trainingSet, element) }
        try world.agreeOnEqual("configurations", configuration.settings.map(\.line))
        let team = try options.run.compute.team(in: world)
        let local =
            try options.machine.localIsGiven
            ? nil
            : ScalingMeasurement.local(bucketBytes: configuration.gradientExchange.bucketBytes, communicator: world)
        let plan = ScalingPlan(
            configuration: configuration, scaling: options.scaling, mostImages: options.mostImages,
            cluster: options.machine.cluster(measured: local), nodes: options.machine.nodes.values,
            trainingSet: trainingSet, computing: computing(workers: options.run.data.numWorkers))
        try world.agree {
            let batch = plan.divisions.reduce(0) { max($0, $1.effectiveBatch) }
            if let images = trainingSet.images, batch > images {
                throw SettingsError(
                    "an update of \(batch) images is more than the \(images) of the training set: lower "
                        + "--effective-batch-size (or --batch-size with --scaling weak)")
            }
        }
        let flops = configuration.model.forwardFlops
        let compute = ComputeCost(
            samples: try samples(plan, source, team, in: world),
            encoderShare: flops.encoder(configuration.model) / flops.total(configuration.model))
        // One rank writes, and lays out every row's memory for it.
        let rows = try world.agree { world.rank == 0 ? try plan.rows(compute, team: team) : [] }
        guard world.rank == 0 else { return 0 }
        var threads = team.count
        if case .bench(let bench) = source { threads = bench.threadsPerRank }
        let report = PlanReport(
            options: options, plan: plan, compute: compute, source: source, threads: threads,
            localIsMeasured: local != nil, rows: rows)
        Console.print(try options.json ? report.json() : report.table)
        return rows.contains { $0.obstacle == nil } ? 0 : 1
    }

    private func source(ranks: Int) throws -> PlanReport.Source {
        if let seconds = options.measurement.secondsPerImage { return .secondsPerImage(seconds) }
        let bench = try options.measurement.bench(ofModel: options.run.model.model)
        return bench.map { .bench($0) } ?? .measured(ranks: ranks)
    }

    /// What products read: as measured, or as asked for where nothing is measured and so this CPU does not matter.
    private func element(_ source: PlanReport.Source, in world: any Communicator) throws -> ElementType {
        let asked = options.run.compute.precision ?? .auto
        switch source {
        case .bench(let bench):
            return try world.agree {
                guard let element = ElementType(rawValue: bench.precision) else {
                    throw SettingsError("--bench-json: '\(bench.precision)' is no precision")
                }
                guard asked == .auto || asked.rawValue == bench.precision else {
                    throw SettingsError(
                        "--bench-json is of \(bench.precision), --precision asks for \(asked.rawValue): leave it out")
                }
                return element
            }
        case .secondsPerImage where asked != .auto: return asked == .bf16 ? .bfloat16 : .float32
        default: return try options.run.compute.element(in: world)
        }
    }

    /// --images spares opening the data. Collective.
    private func trainingSet(in world: any Communicator) throws -> ScalingPlan.TrainingSet {
        let data = options.run.data
        if let images = data.images { return ScalingPlan.TrainingSet(images: images, classes: Self.usualClasses) }
        if data.dataPath == ImageDataset.syntheticName {
            let model = try world.agree { try options.run.model.configuration() }
            let images = SyntheticImageParameters(
                count: data.syntheticImages, channels: model.channels,
                size: ImageSize(height: model.imageHeight, width: model.imageWidth))
            return ScalingPlan.TrainingSet(
                images: images.count, classes: images.classCount, heldBytes: images.heldBytes)
        }
        do {
            let source = try data.opening.open(.train, in: world)
            return ScalingPlan.TrainingSet(
                images: source.count, classes: source.classCount, channels: source.channels,
                heldBytes: source.heldBytes)
        } catch let failure as AgreedFailure where !failure.isPermanent {
            // It may be elsewhere.
            return ScalingPlan.TrainingSet(images: nil, classes: Self.usualClasses)
        }
    }

    /// The run with its whole batch on one rank.
    private func run(on trainingSet: ScalingPlan.TrainingSet, _ element: ElementType) throws -> PretrainConfiguration {
        var whole = options.run
        whole.optimisation.batchSize = nil
        whole.optimisation.accumIter = 1
        let channels = try trainingSet.channels ?? whole.model.inChans ?? whole.model.configuration().channels
        var configuration = try whole.configuration(ranks: 1, channels: channels, precision: element)
        configuration.accumulation = options.run.optimisation.accumIter
        return configuration
    }

    /// What was measured here, or handed in; nothing if no row needs it.
    private func samples(
        _ plan: ScalingPlan, _ source: PlanReport.Source, _ team: Team, in world: any Communicator
    ) throws -> [ComputeCost.Sample] {
        let wanted = plan.samplesWanted
        guard !wanted.isEmpty else { return [] }
        switch source {
        case .bench(let bench):
            let twice = plan.configuration.loss.encodesTwice(bench.accumIter)
            return [ScalingMeasurement.sample(from: bench, encodesTwice: twice)]
        case .secondsPerImage(let seconds):
            // Backward has twice forward's multiply-adds.
            return [
                ComputeCost.Sample(
                    images: 1, encodesTwice: false, data: 0, forward: seconds / 3, backward: 2 * seconds / 3,
                    update: options.measurement.secondsPerUpdate)
            ]
        case .measured:
            var measured = plan.configuration
            // Products of the same shape as in the run, as far as one rank can.
            if let division = plan.divisions.first(where: { $0.obstacle == nil }) {
                measured.loss.regularizer.transport = plan.transport(for: division)
            }
            return try wanted.map {
                try ScalingMeasurement.compute(
                    measured, images: $0.images, encodesTwice: $0.encodesTwice, steps: options.measurement.steps,
                    computing: computing(), communicator: world, team: team)
            }
        }
    }
}
