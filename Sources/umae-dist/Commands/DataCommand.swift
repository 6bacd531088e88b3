import ArgumentParser
import Commands
import Communication
import Foundation
import Host
import ImageCodecs
import ImageData
import ImageSources
import Measurement
import Models
import Options
import Pretraining
import Runs
import Settings
import Tensors
import TrainingRuns

/// `umae-dist data`: what a data set holds, and how fast it can be read.
struct DataCommand: WorldCommand {
    static let configuration = CommandConfiguration(
        commandName: "data",
        abstract: "Say what a data set holds, and measure how fast batches of it are prepared.",
        discussion: """
            Batches are those that pretraining begins with, so that the checksum of the first tells whether two forms of the \
            data are the same to it. --num-workers is the number of threads that are measured, one unless it is given.
            """)

    @OptionGroup(title: "Data") var data: DataOptions
    @OptionGroup(title: "Crops") var crops: CropOptions
    @OptionGroup(title: "Model") var model: ModelOptions
    @Option(help: "Images of each rank in a batch.") var batchSize = 64
    @Option(help: "Seconds to measure for.") var seconds = 5.0
    @Option(help: "Seed of orders and crops.") var seed: UInt64 = 0
    @Flag(help: "Print one JSON object instead of lines.") var json = false

    func validate() throws {
        try Bounds.check("--batch-size", batchSize, 1...1 << 20)
        try Bounds.check("--seconds", seconds, .above(0), most: 86_400)
    }

    func run(in world: any Communicator) throws -> Int32 {
        let shape = try world.agree { try model.configuration() }
        let source = try data.open(
            .train, of: shape.encoder, seed: seed, keepsListing: true, in: world, say: { Console.error($0) })
        var configuration = DataConfiguration()
        data.apply(to: &configuration)
        crops.apply(to: &configuration)
        let size = ImageSize(height: shape.imageHeight, width: shape.imageWidth)
        // Any will do: what images are normalised with makes no difference to the time, and is the same for all forms.
        let statistics = ChannelStatistics(
            mean: data.mean?.values(channels: source.channels) ?? [Float](repeating: 0.5, count: source.channels),
            standardDeviation: data.std?.values(channels: source.channels)
                ?? [Float](repeating: 0.25, count: source.channels))
        let badImages = BadImages(data.onBadImage, of: source.count)
        let reading = DataReading(
            source,
            ImageTransform(
                size: size, statistics: statistics, augmentation: configuration.augmentation(for: size)),
            BatchPlan(images: batchSize, ranks: world.size), workers: data.numWorkers ?? 1, seed: seed,
            skipping: badImages)
        let result = try reading.run(seconds: seconds, in: world)
        guard world.rank == 0 else { return ExitCode.done }
        for note in source.notes + BadImages.lines(of: badImages.news()) { Console.note(note) }
        if json {
            Console.print(try JSONReport.text(result, usesSnakeCase: true))
            return ExitCode.done
        }
        let labels = source.classCount.map { "\($0) classes" } ?? "no labels"
        Console.print("data         \(source.name), \(counted(source.count, "image")), \(labels) (\(source.form))")
        Console.print(
            "first batch  \(counted(result.firstBatchImages, "image")), checksum "
                + String(format: "%08x", result.firstBatch))
        Console.print(
            String(
                format: "speed        %.0f images/s to %d × %d on %@ × %@", result.imagesPerSecond, size.width,
                size.height, counted(world.size, "rank"), counted(max(result.workers, 1), "thread")))
        return ExitCode.done
    }
}
