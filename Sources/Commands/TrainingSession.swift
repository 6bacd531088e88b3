package import Checkpoints
package import Communication
internal import Foundation
internal import Host
package import ImageSources
internal import Layers
package import Options
package import Runs
package import Tensors
internal import Training
package import TrainingRuns

/// What a command that trains does around its run, whatever it trains: where it is kept, what it goes on from, the
/// directory, signals, and how it ends, with the same words and exit codes.
///
/// Everything is looked at before anything is changed: `train` is the first to.
package struct TrainingSession {
    package let opening: RunOpening
    private let options: RunOptions
    private let compute: ComputeOptions
    private let world: any Communicator
    private let reporter: Reporter

    /// Collective.
    ///
    /// - Parameter name: what a new directory is called, behind the time.
    package init(
        _ options: RunOptions, _ compute: ComputeOptions, name: String, in world: any Communicator,
        _ reporter: Reporter
    ) throws {
        self.options = options
        self.compute = compute
        self.world = world
        self.reporter = reporter
        opening = RunOpening(options.request, name: name, in: world, note: reporter.note)
        if world.rank == 0 { StopRequest.announce(saves: opening.place.isKept && !options.dryRun) }
        try compute.checkTimeline(in: world, besides: options.outputDir)
    }

    /// Whether checkpoints are to be written.
    package var isKept: Bool { opening.place.isKept }

    /// What the run goes on from; nil where it begins. Collective.
    package func resumePoint<Configuration, Figures>() throws -> ResumePoint<Configuration, Figures>? {
        try opening.checkpoint().map { checkpoint in try world.agree { try ResumePoint(checkpoint) } }
    }

    /// The settings that count: those asked for, or, where the run goes on from a checkpoint, those under which it does, with
    /// a note for each that has changed. Nil, said too, if that run is finished. Collective.
    ///
    /// - Parameter resumed: what is asked for where a checkpoint of that configuration is gone on from.
    package func settings<Configuration: NamedConfiguration, Figures>(
        _ asked: Configuration, resuming point: ResumePoint<Configuration, Figures>?, on data: any ImageSource,
        resumed: (Configuration) throws -> Configuration
    ) throws -> Configuration? {
        guard let point else { return asked }
        let (saved, path) = (point.state, point.checkpoint.path)
        let configuration = try world.agree {
            let configuration = try resumed(saved.configuration)
            try saved.checkResuming(by: configuration, on: data, path: path)
            return configuration
        }
        if saved.epoch >= configuration.schedule.epochs {
            reporter.say(
                "nothing to do: \(path) is of a finished run of \(saved.epoch) epochs; raise --epochs to train on")
            return nil
        }
        for difference in configuration.differences(from: saved.configuration) { reporter.note(difference) }
        let update = configuration.update
        if update.effectiveBatchSize != asked.update.effectiveBatchSize {
            let images = update.effectiveBatchSize / world.size / update.accumulation
            reporter.note(
                "the effective batch stays \(update.effectiveBatchSize): \(counted(world.size, "rank")) × "
                    + "\(update.accumulation) micro-batches of \(images)")
        }
        return configuration
    }

    /// Ranks, threads and memory, once it is known that the run can be kept. Collective.
    package func resources(resuming checkpoint: Checkpoint?) throws -> RankResources {
        try opening.examine(resume: checkpoint)
        return RankResources(world, try compute.team(in: world))
    }

    /// The exit code if a signal has asked to stop before anything was begun; nil if none has. Says where cores are too few.
    /// Collective.
    package func isStopped(on resources: RankResources) throws -> Int32? {
        for notice in try ProcessorAffinity.notices(threads: resources.team.count, in: world) { reporter.note(notice) }
        return try StopRequest.isPending(on: world) ? stopped(options.outputDir, step: 0) : nil
    }

    /// Takes the directory, trains, and says how it ended; with `--dry-run`, says what would be done. Collective.
    ///
    /// - Parameters:
    ///   - memory: what was counted.
    ///   - recipe: the settings, for config.yaml.
    ///   - opening, closing: what is said of the run, given where it is kept.
    /// - Returns: the exit code.
    package func train<Task>(
        _ run: TrainingRun<Task>, resuming checkpoint: Checkpoint?, memory: MemoryPlan, recipe: String,
        opening lines: (String?) -> [String], closing: (String?) -> [String]
    ) throws -> Int32 {
        if options.dryRun {
            reporter.say(lines: lines(opening.place.path))
            let saving = world.size > 1 && isKept ? " (saving: of rank 0 alone)" : ""
            reporter.say("memory of each rank\(saving)\n" + MemoryReport.lines(memory).joined(separator: "\n"))
            return ExitCode.done
        }
        // Nothing has been changed up to here.
        let output = try opening.take(resume: checkpoint)
        let directory = output?.path ?? opening.place.path
        reporter.say(lines: lines(directory))
        try opening.begin(
            output, epoch: run.epoch, step: run.updates, settings: String(recipe.dropLast()), remarks: remarks)
        try compute.watchForStalls(in: world)
        let ending = try run.run(in: output, savingEvery: options.checkpointEvery)
        // A picture of the run is no part of its result: what cannot be written is said.
        do { try run.writeTimeline() } catch {
            reporter.note("there is no timeline: \(error)")
        }
        guard ending == .finished else { return stopped(output?.path, step: run.updates) }
        reporter.say(lines: closing(directory))
        return ExitCode.done
    }

    /// Says that a signal was obeyed, and how to go on.
    private func stopped(_ directory: String?, step: Int) -> Int32 {
        let moment = step == 0 ? "before the first step" : "at step \(step)"
        guard isKept else {
            reporter.say("stopped by a signal \(moment); nothing is kept, since --output-dir is empty")
            return ExitCode.failed
        }
        let remedy = directory.map { "go on with --output-dir \($0) --resume auto" } ?? "run it again"
        reporter.say("stopped by a signal \(moment); \(remedy)")
        return ExitCode.savedForRestart
    }

    /// What the settings do not say of a run, a line each.
    private var remarks: [String] {
        [
            "Begun \(Date().formatted(.iso8601)) on \(HostName.current), \(counted(world.size, "rank")), by"
        ] + VersionText.text.split(separator: "\n").map { "  \($0)" }
    }
}
