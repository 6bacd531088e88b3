package import ArgumentParser
internal import Communication
internal import Host
package import ImageCodecs
package import ImageData
package import ImageSources
internal import Models
package import Settings
package import TrainingRuns

/// Flags that say on which images.
package struct DataOptions: ParsableArguments {
    @Option(
        help: """
            Directory of JPEG and PNG files (a directory for each class, also below train; or all in one), of tars of them or a pack, \
            of IDX files (MNIST, Fashion-MNIST; gzip or plain), of CIFAR-10/100 binary files or of .npy arrays; a .npy \
            file; tars such as 'train-{000..146}.tar'; or 'synthetic'.
            """, completion: .file())
    package var dataPath = ImageDataset.defaultPath
    @Option(
        help: """
            What the directory holds: auto looks; arrays (.npy, IDX or CIFAR files), folder (a directory of image files for each \
            class), flat (image files in one directory, without labels), shards (tar, or a pack).
            """)
    package var dataKind = ImageDataset.Kind.auto
    @Option(
        help: """
            Directory in which lists of many files are kept for later runs; empty for none (default: umae-dist in \
            $XDG_CACHE_HOME or ~/.cache).
            """, completion: .directory)
    package var cacheDir: String?
    @Option(
        help: """
            File of the classes to take of a folder, a name of a directory on each line, or one in recipes/: \
            imagenet100-classes.
            """, completion: .file())
    package var classes: String?

    @Option(
        help: "Directory of each host's own disk, to which one rank brings tars or packs, to be read there.",
        completion: .directory)
    package var stage: String?

    @Option(help: "Images of the synthetic set.") package var syntheticImages = 4096
    @Option(help: "Images that the training set has: a run on data with another number of them is refused.")
    package var images: Int?
    @Option(
        name: [.customLong("num-workers"), .customLong("workers")],
        help: """
            Threads of each rank that prepare batches ahead, two of them; 0 prepares each when it is needed (default: the \
            cores that no other thread has, 1 at least).
            """)
    package var numWorkers: Int?
    @Option(
        help: """
            What becomes of an image that cannot be decoded: skip takes another in its place, up to one image of a hundred, \
            and names the first; fail ends the run.
            """)
    package var onBadImage = BadImages.Action.skip
    @Option(help: "What becomes of the orientation that EXIF notes: ignore, as torchvision does, or apply.")
    package var exif = Decoding.Exif.ignore
    @Option(
        help: """
            How JPEG images are decoded: exact, or fast, which scales them down meanwhile where they are resized to less than half.
            """)
    package var decode = Decoding.Fidelity.exact
    @Option(
        help: """
            Mean of the pixels, bytes scaled to 0 … 1, of each channel (0.485,0.456,0.406) or of all; images are normalised with \
            it (default: the checkpoint's, or that of the training set).
            """)
    package var mean: ChannelValues?
    @Option(help: "Standard deviation of the pixels, likewise.") package var std: ChannelValues?

    /// As many as labels and orders of images can count.
    private static let imageCount = 1...Int(UInt32.max)

    package init() {}

    package func validate() throws {
        try checkLimits()
        try Bounds.check("--images", images, Self.imageCount)
        try Bounds.check("--num-workers", numWorkers, 0...64)
    }

    /// The names in the file of classes, which may be one of those that come with the program; nil where none is given.
    package static func classNames(_ classes: String?) throws -> Set<String>? {
        guard let classes else { return nil }
        let places = RecipesDirectory.places(of: classes, suffixes: [".txt"])
        let bytes: [UInt8]
        do {
            bytes = try TextFile.content(
                of: places.first(where: RecipesDirectory.isFile) ?? classes, limit: 1 << 24)
        } catch {
            throw SettingsError("--classes: cannot read \(error)")
        }
        let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
            .map { $0.split(whereSeparator: \.isWhitespace) }.filter { !$0.isEmpty }
        // A name may be followed by what people call the class; a line alone is a list of names.
        let names = lines.count == 1 ? lines[0] : lines.map { $0[0] }
        guard !names.isEmpty else { throw SettingsError("--classes: \(classes) names no class") }
        return Set(names.map(String.init))
    }
}

extension ImageDataset.Kind: ExpressibleByArgument {}
extension BadImages.Action: ExpressibleByArgument {}
extension Decoding.Exif: ExpressibleByArgument {}
extension Decoding.Fidelity: ExpressibleByArgument {}

extension DataOptions: ConfiguringOptions {
    package static var bindings: [FlagBinding<Self, DataConfiguration>] {
        // Images are compared by their identity, wherever they lie.
        [
            FlagBinding("--data-path", \.dataPath, \.dataPath, decidesNumbers: { _ in false }),
            FlagBinding(
                "--synthetic-images", \.syntheticImages, \.syntheticImages, .within(imageCount),
                decidesNumbers: { _ in false }),
            FlagBinding("--exif", \.exif, \.exif),
            FlagBinding("--decode", \.decode, \.fidelity),
            // One value may stand for all channels, and a run that goes on keeps its checkpoint's.
            FlagBinding("--mean", \.mean, floatMean, text: { ChannelValues.text($0.mean) }),
            FlagBinding(
                "--std", \.std, floatDeviation, text: { ChannelValues.text($0.standardDeviation) }),
        ]
    }
}
