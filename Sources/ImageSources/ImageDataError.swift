package import Host
package import ImageCodecs

/// What can be wrong with a data set, its files, or the way it is to be divided; each says what to do in one line.
package enum ImageDataError: Error, Equatable, CustomStringConvertible {
    /// The path of the data set does not exist.
    case missingDirectory(path: String)
    /// A file stands where the directory of a data set is expected.
    case notADirectory(path: String)
    /// The directory holds no data set that is known.
    case unrecognisedDirectory(path: String, split: String, lookedFor: String)
    /// The directory holds a data set in a form that is known and not read.
    case unsupportedLayout(path: String, layout: UnsupportedLayout)
    /// Several directories could be meant.
    case ambiguousDirectory(path: String, directories: [String])
    /// Several files could be meant by its labels.
    case ambiguousLabels(path: String, files: [String])
    /// The data set is known, but one of its files is missing.
    case missingFile(directory: String, dataset: String, file: String)
    /// The system or zlib refused to read the file.
    case unreadable(path: String, reason: String)
    /// The first four bytes are not those of an IDX file.
    case notIDX(path: String, found: UInt32)
    /// An IDX file of other elements, or of another number of dimensions, than its part of a data set has.
    case otherIDX(path: String, content: IDXContent, dimensions: Int, type: IDXElementType)
    /// An array of images or labels that is not read.
    case badArray(path: String, fault: ArrayFault)
    case noImages(path: String)
    /// The IDX header declares sizes that are zero, or larger than the file can hold.
    case impossibleDimensions(path: String, dimensions: [UInt32])
    case truncated(path: String, expectedBytes: Int, foundBytes: Int)
    case trailingBytes(path: String, expectedBytes: Int)
    case trailingBytesAfterGzip(path: String)
    /// There is no memory for the content of a compressed file.
    case tooLargeInflated(path: String, bytes: Int, available: Int)
    case labelCountMismatch(images: String, imageCount: Int, labels: String, labelCount: Int)
    /// The length of a CIFAR file is not a positive multiple of its record.
    case wrongRecordLength(path: String, bytes: Int, recordBytes: Int)
    case labelOutOfRange(path: String, record: Int, label: Int, classCount: Int)
    /// The file is no image that can be decoded.
    case badImage(path: String, reason: ImageCodecError)
    /// More images cannot be decoded than may be skipped.
    case tooManyBadImages(count: Int, last: String)
    /// The images are in a directory below the one given.
    case oneLevelTooHigh(path: String, dataSet: String)
    /// The directory holds one class of several.
    case oneClass(path: String, dataSet: String)
    /// There are directories of other splits.
    case missingSplit(path: String, split: [String])
    /// The index of a pack that cannot be used.
    case badIndex(path: String, IndexFault)
    /// Shards that are not what they should be.
    case archive(path: String, ArchiveProblem)
    /// Directories of classes in which there is no image.
    case emptyClasses(path: String, count: Int, first: String)
    /// Classes that were asked for and are not there.
    case missingClasses(path: String, count: Int, first: String)
    /// Classes were asked for by names, and there are none.
    case noClassNames(path: String)
    /// The parameters of synthetic images make no image.
    case impossibleSynthetic(reason: String)
    /// The data set is smaller than one global batch.
    case globalBatchTooLarge(globalBatch: Int, imageCount: Int)
    /// The global batch cannot be divided into equal micro-batches.
    case indivisibleGlobalBatch(globalBatch: Int, worldSize: Int, accumulation: Int)
    /// The background thread that prepares batches could not be started.
    case threadRefused(ThreadRefusal)

    package var description: String {
        switch self {
        case .missingDirectory(let path):
            "\(path): no such directory; \(Self.remedy(for: path))"
        case .notADirectory(let path):
            "\(path): is a file, not a directory; "
                + (Self.isArchive(path) ? "unpack it and give the directory" : Self.remedy(for: path))
        case .unrecognisedDirectory(let path, let split, let lookedFor):
            "\(path): no \(split) images found; looked for \(lookedFor); \(Self.remedy(for: path))"
        case .unsupportedLayout(let path, let layout):
            "\(path): \(layout.description)"
        case .ambiguousDirectory(let path, let directories):
            "\(path): holds several data sets: give one of \(directories.joined(separator: ", "))"
        case .ambiguousLabels(let path, let files):
            "\(path): holds several files of labels, \(files.joined(separator: ", ")): remove all but one"
        case .missingFile(let directory, let dataset, let file):
            "\(directory): looks like \(dataset), but \(file) is missing; copy the file there or unpack the data set again"
        case .unreadable(let path, let reason):
            "\(path): cannot be read: \(reason); check its permissions or fetch the file again"
        case .notIDX(let path, let found):
            "\(path): is no IDX file: it starts with \(Self.hex(found)), and IDX files of bytes with 0x000008; "
                + "fetch it again"
        case .otherIDX(let path, let content, let found, let type):
            "\(path): holds \(counted(found, "dimension")) of \(type.name); \(content.description)"
                + (type == .unsignedBytes && content.isLikely(exchanged: found)
                    ? "; check that images and labels are not exchanged" : "")
        case .badArray(let path, let fault): "\(path): \(fault)"
        case .noImages(let path):
            "\(path): holds no images; give a data set with at least one"
        case .impossibleDimensions(let path, let dimensions):
            "\(path): declares \(dimensions.map(String.init).joined(separator: " × ")) elements, which the file cannot hold; "
                + "it is damaged, fetch it again"
        case .truncated(let path, let expectedBytes, let foundBytes):
            "\(path): ends after \(foundBytes) of \(expectedBytes) bytes; the file is truncated, fetch it again"
        case .trailingBytes(let path, let expectedBytes):
            "\(path): goes on after the \(expectedBytes) bytes it declares; the file is damaged, fetch it again"
        case .trailingBytesAfterGzip(let path):
            "\(path): goes on after the end of its gzip data; the file is damaged, fetch it again"
        case .tooLargeInflated(let path, let bytes, let available):
            "\(path): takes \(bytes >> 20) MiB of memory inflated, and \(available >> 20) MiB are left; unpack it with "
                + "gunzip, so that it is read where it lies"
        case .labelCountMismatch(let images, let imageCount, let labels, let labelCount):
            "\(labels): holds \(labelCount) labels for the \(imageCount) images of \(images); "
                + "take both files from the same data set"
        case .wrongRecordLength(let path, let bytes, let recordBytes):
            "\(path): has \(bytes) bytes, which is not a positive multiple of the \(recordBytes) bytes of a record; "
                + "the file is truncated or not in CIFAR's binary format, fetch it again"
        case .labelOutOfRange(let path, let record, let label, let classCount):
            "\(path): record \(record) has label \(label), but there are \(classCount) classes; "
                + "the file is damaged, fetch it again"
        case .badImage(let path, let reason): "\(path): \(reason)"
        case .tooManyBadImages(let count, let last):
            "\(count) images cannot be decoded, more than are skipped; the last: \(last)"
        case .oneLevelTooHigh(let path, let dataSet):
            "\(path): is one level above the data set: give \(dataSet)"
        case .oneClass(let path, let dataSet):
            "\(path): is one class of \(dataSet): give that for all classes"
        case .missingSplit(let path, let split):
            "\(path): has no directory \(split[0]) of images; give the directory that holds the classes"
        case .badIndex(let path, let reason): "\(path): \(reason); write the pack again"
        case .archive(let path, let problem): "\(path): \(problem.description)"
        case .emptyClasses(let path, let count, let first):
            "\(path): no JPEG or PNG images for \(count == 1 ? "class" : "\(count) classes, as") \(first); remove "
                + "\(count == 1 ? "its directory" : "their directories") or fetch the images again"
        case .noClassNames(let path):
            "\(path): its classes have no names, of which --classes could take some; that needs a directory for each class, "
                + "or tars or a pack of such a folder"
        case .missingClasses(let path, let count, let first):
            "\(path): \(count) of the classes asked for are not there, the first of them \(first)"
        case .impossibleSynthetic(let reason):
            "synthetic images: \(reason)"
        case .globalBatchTooLarge(let globalBatch, let imageCount):
            "a global batch of \(globalBatch) images is larger than the data set of \(imageCount); choose a smaller batch"
        case .indivisibleGlobalBatch(let globalBatch, let worldSize, let accumulation):
            "a global batch of \(globalBatch) images cannot be divided among \(worldSize) ranks × \(accumulation) "
                + "micro-batches; choose a multiple of \(worldSize * accumulation)"
        case .threadRefused(let refusal): refusal.description
        }
    }

    /// Whether other images of the data set may well be good.
    package var isOfOneImage: Bool {
        switch self {
        case .badImage, .unreadable, .badArray(_, .notFinite): true
        default: false
        }
    }

    /// What the system says of an errno.
    package static func reason(_ code: Int32) -> String {
        SystemErrors.text(of: code).lowercased()
    }

    private static func remedy(for path: String) -> String {
        ImageDataset.isDefaultPath(path)
            ? "run `apt-get install dataset-fashion-mnist`"
            : "give a directory of images, a .npy file, or the word `synthetic`"
    }

    private static func isArchive(_ path: String) -> Bool {
        [".tar", ".tar.gz", ".tgz", ".zip", ".tar.xz"].contains { path.lowercased().hasSuffix($0) }
    }

    private static func hex(_ value: UInt32) -> String {
        let digits = String(value, radix: 16, uppercase: true)
        return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
    }
}
