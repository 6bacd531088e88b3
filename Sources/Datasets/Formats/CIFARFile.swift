internal import ImageCodecs
import Tensors

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
    package static func open(_ variant: Variant, paths: [String]) throws(ImageDataError) -> InMemoryImages {
        var counts: [Int] = []
        for path in paths {
            let bytes = try DataFile.contentBytes(path)
            guard bytes > 0 && bytes.isMultiple(of: variant.recordBytes) else {
                throw .wrongRecordLength(path: path, bytes: bytes, recordBytes: variant.recordBytes)
            }
            counts.append(bytes / variant.recordBytes)
        }
        let total = counts.reduce(0, +)
        let pixels = MatrixView<UInt8>(rows: total, columns: variant.recordBytes - variant.labelBytes)
        var labels: [Int32] = []
        labels.reserveCapacity(total)
        for (path, count) in zip(paths, counts) {
            try read(variant, path, into: pixels.rows(labels.count..<labels.count + count), &labels)
        }
        return InMemoryImages(
            name: variant.name, pixels: pixels, labels: labels, channels: 3, size: ImageSize(height: 32, width: 32),
            classCount: variant.classCount)
    }

    private static func read(
        _ variant: Variant, _ path: String, into pixels: MatrixView<UInt8>, _ labels: inout [Int32]
    ) throws(ImageDataError) {
        let file = try DataFile.open(path)
        var label = [UInt8](repeating: 0, count: variant.labelBytes)
        for record in 0..<pixels.rows {
            let start = record * variant.recordBytes
            var labelSpan = label.mutableSpan
            try file.readAll(of: &labelSpan, after: start)
            let fine = label[variant.labelBytes - 1]
            guard fine < variant.classCount else {
                throw .labelOutOfRange(
                    path: path, record: record, label: Int(fine), classCount: variant.classCount)
            }
            labels.append(Int32(fine))
            try pixels.rows(record..<record + 1).withMutableElements { (span) throws(ImageDataError) in
                try file.readAll(of: &span, after: start + variant.labelBytes)
            }
        }
        try file.expectEnd(after: pixels.rows * variant.recordBytes)
    }
}
