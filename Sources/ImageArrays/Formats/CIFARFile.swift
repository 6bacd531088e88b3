package import Host
internal import ImageCodecs
package import ImageSources

/// The binary format of CIFAR-10 and CIFAR-100: records of one or two label bytes and 3 × 32 × 32 planar bytes.
///
/// Plain or gzip. Source: A. Krizhevsky, "The CIFAR-10 dataset", section "Binary version".
package enum CIFARFile {
    package enum Variant: Sendable {
        case cifar10
        /// Labels are the fine ones, the second byte of a record.
        case cifar100

        package var name: String {
            switch self {
            case .cifar10: "cifar-10"
            case .cifar100: "cifar-100"
            }
        }

        /// The directory into which the published archive unpacks.
        package var folder: String {
            switch self {
            case .cifar10: "cifar-10-batches-bin"
            case .cifar100: "cifar-100-binary"
            }
        }

        package var classCount: Int {
            switch self {
            case .cifar10: 10
            case .cifar100: 100
            }
        }

        package var labelBytes: Int {
            switch self {
            case .cifar10: 1
            case .cifar100: 2
            }
        }

        package var recordBytes: Int { labelBytes + 3 * 32 * 32 }
    }

    /// Reads the files one after another as one data set.
    ///
    /// - Throws: an error that names the file, if its length is not a positive multiple of the record or a label is
    ///   not below the number of classes.
    package static func open(
        _ variant: Variant, paths: [String], sharing share: HostShare? = nil
    ) throws(ImageDataError) -> ArrayImages {
        var counts: [Int] = []
        for path in paths {
            let bytes = try DataFile.contentBytes(path)
            guard bytes > 0 && bytes.isMultiple(of: variant.recordBytes) else {
                throw .wrongRecordLength(path: path, bytes: bytes, recordBytes: variant.recordBytes)
            }
            counts.append(bytes / variant.recordBytes)
        }
        var parts: [ArrayImages.Part] = []
        var labels: [Int32] = []
        labels.reserveCapacity(counts.reduce(0, +))
        for (path, count) in zip(paths, counts) {
            let bytes = try DataFile.open(path).rest(after: 0, count: count * variant.recordBytes, sharing: share)
            unsafe try append(variant, path, unsafe bytes[0..<bytes.count], to: &labels)
            parts.append(ArrayImages.Part(bytes: bytes, count: count, path: path))
        }
        let layout = ArrayLayout(
            size: ImageSize(height: 32, width: 32), channels: 3, prefixBytes: variant.labelBytes)
        return ArrayImages(
            name: variant.name, parts: parts, layout, labels: labels, classCount: variant.classCount,
            isOfEarlierVersions: true)
    }

    /// The labels, which lie between the images.
    private static func append(
        _ variant: Variant, _ path: String, _ bytes: UnsafeBufferPointer<UInt8>, to labels: inout [Int32]
    ) throws(ImageDataError) {
        for record in 0..<bytes.count / variant.recordBytes {
            let fine = unsafe bytes[record * variant.recordBytes + variant.labelBytes - 1]
            guard fine < variant.classCount else {
                throw .labelOutOfRange(path: path, record: record, label: Int(fine), classCount: variant.classCount)
            }
            labels.append(Int32(fine))
        }
    }
}
