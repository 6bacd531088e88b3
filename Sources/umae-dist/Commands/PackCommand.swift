import ArgumentParser
import Commands
import Communication
import Host
import ImageCodecs
import ImageData
import ImageFiles
import ImageSources
import Options
import Runs
import Settings

/// `umae-dist pack`: the images of a data set in a few large files.
struct PackCommand: WorldCommand {
    static let configuration = CommandConfiguration(
        commandName: "pack",
        abstract: "Write JPEG and PNG images into a few large files with an index, for parallel file systems.",
        discussion: """
            The pack is a directory; --data-path takes it in place of the images, and a run on it sees the same images in \
            the same order. Images are kept as they are, or scaled down with --resize. Each has a checksum. Until all is \
            written the directory is called NAME.partial. Under mpirun one rank writes.
            """)

    enum Encoding: String, CaseIterable, ExpressibleByArgument {
        case jpeg, png, raw
    }

    @Option(help: "The images: a folder, tars, or a pack.", completion: .file()) var dataPath: String
    @Option(help: "What the path holds: auto looks; folder, flat or shards.") var dataKind = ImageDataset.Kind.auto
    @Option(help: "Which of its images: train or test.") var split = ImageDataset.Split.train
    @Option(help: "File of the classes to take of a folder, a name of a directory on each line.", completion: .file())
    var classes: String?
    @Option(help: "Directory to write, which must not be there yet.", completion: .directory) var outputDir: String
    @Option(help: "Size of its files, in MiB.") var shardSize = 256
    @Option(
        help: """
            What becomes of the orientation that EXIF notes: ignore, or apply to images that are scaled; others keep it with \
            their bytes.
            """)
    var exif = Decoding.Exif.ignore
    @Option(help: "Scale images down, bicubic as Pillow does, until the shorter side has so many pixels.")
    var resize: Int?
    @Option(
        help: """
            How scaled images are kept: jpeg, png without loss, or raw, which is not encoded: several times the size, and \
            several times as fast to read (default: jpeg).
            """)
    var encode: Encoding?
    @Option(help: "Quality of JPEG, 1 … 100; chroma is not subsampled (default: 95).") var quality: Int?
    @Option(help: "Threads (default: one for each core of this rank).") var threads: Int?

    func validate() throws {
        try Bounds.check("--shard-size", shardSize, 1...1 << 20)
        try Bounds.check("--resize", resize, 1...1 << 16)
        try Bounds.check("--quality", quality, 1...100)
        guard resize != nil || encode == .raw || (encode == nil && quality == nil) else {
            throw ValidationError("\(encode == nil ? "--quality" : "--encode") is for images that --resize scales")
        }
        guard quality == nil || encoding != .png && encoding != .raw else {
            throw ValidationError("--quality is for --encode jpeg")
        }
        try Bounds.check("--threads", threads, 1...1024)
    }

    private var encoding: ImageEncoding {
        switch encode ?? .jpeg {
        case .jpeg: .jpeg(quality: quality ?? 95)
        case .png: .png
        case .raw: .raw
        }
    }

    func run(in world: any Communicator) throws -> Int32 {
        let team = try ComputeOptions.team(threads: threads, in: world)
        var opening = DataOpening(path: dataPath)
        opening.kind = dataKind
        opening.classes = classes
        opening.say = { Console.print($0) }
        let source = try opening.open(split, in: world)
        try world.agree(during: .packing) {
            guard world.rank == 0 else { return }
            guard let images = source as? EncodedImages else {
                throw SettingsError(
                    "\(dataPath): holds arrays, which are in a few files already; packs hold JPEG and PNG images")
            }
            for note in source.notes { Console.note(note) }
            var decoding = images.decoding
            decoding.exif = exif
            let recipe = PackRecipe(
                shorterSide: resize, encoding: encoding)
            var told = HostTable.now()
            let outcome = try Packing(images.decoded(decoding), recipe).write(
                to: outputDir, shardBytes: shardSize << 20, on: team
            ) { count in
                guard HostTable.now() - told > 10_000_000_000 else { return }
                told = HostTable.now()
                Console.print("\(count) of \(counted(images.count, "image"))")
            }
            if let first = outcome.refused.first {
                Console.note(
                    "\(counted(outcome.refused.count, "image")) cannot be decoded and \(outcome.refused.count == 1 ? "is" : "are") "
                        + "packed unchanged; the first: \(first)")
            }
            Console.print(
                "\(outputDir): \(counted(images.count, "image")), \(outcome.bytes) bytes in "
                    + "\(counted(outcome.files, "file")), \(images.identity)")
        }
        return ExitCode.done
    }
}

extension ImageDataset.Split: ExpressibleByArgument {}
