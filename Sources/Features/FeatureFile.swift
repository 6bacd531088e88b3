package import Communication
internal import Host
package import Safetensors
internal import Tensors

/// The features of all ranks' images as tensors of a file, with their labels.
package struct FeatureFile {
    /// The name of the labels' tensor.
    package static var labels: String { "labels" }

    package let tensors: [NamedTensor]

    /// Bytes that a rank sends at a time.
    private static var round: Int { 32 << 20 }

    /// On rank 0, which then holds all of them; nil on the others. Collective.
    package init?(gathering features: [ImageFeature], of set: FeatureSet, in world: any Communicator) throws {
        var tensors: [NamedTensor] = []
        for feature in features {
            let own = set[feature]
            let all = Matrix(rows: world.rank == 0 ? set.count : 0, columns: own.columns)
            try Self.gather(set, rowBytes: 4 * own.columns, in: world) {
                own.rows($0).bytes()
            } take: {
                all.rows($0).take(bytes: $1)
            }
            tensors.append(NamedTensor(feature.name, shape: [all.rows, all.columns], all))
        }
        if let labels = set.labels {
            var all = [Int64](repeating: 0, count: world.rank == 0 ? set.count : 0)
            try Self.gather(set, rowBytes: 4, in: world) { rows in
                var writer = ByteWriter([])
                writer.append(labels[rows])
                return writer.bytes
            } take: { rows, bytes in
                var reader = ByteReader(bytes)
                for (row, label) in zip(rows, reader.next(rows.count) as [Int32]) { all[row] = Int64(label) }
            }
            tensors.append(NamedTensor(Self.labels, shape: [all.count], .integers(all)))
        }
        guard world.rank == 0 else { return nil }
        self.tensors = tensors
    }

    /// Brings something of every image to rank 0.
    ///
    /// - Parameters:
    ///   - bytes: that of some of this rank's images.
    ///   - take: is given that of some of all images.
    private static func gather(
        _ set: FeatureSet, rowBytes: Int, in world: any Communicator, bytes: (Range<Int>) -> [UInt8],
        take: (Range<Int>, [UInt8]) -> Void
    ) throws {
        let atOnce = max(Self.round / rowBytes, 1)
        for first in stride(from: 0, to: set.counts.max() ?? 0, by: atOnce) {
            func rows(of rank: Int) -> Range<Int> {
                min(first, set.counts[rank])..<min(first + atOnce, set.counts[rank])
            }
            try world.gather(bytes(rows(of: world.rank)), during: .evaluating) { rank, bytes in
                let start = FeatureSet.range(of: rank, in: set.counts).lowerBound
                let own = rows(of: rank)
                take(start + own.lowerBound..<start + own.upperBound, bytes)
            }
        }
    }
}

/// Elements as they are in memory; all ranks' processors are little-endian, as the files are.
extension Matrix {
    fileprivate func bytes() -> [UInt8] {
        precondition(isContiguous)
        return withElements { elements in
            unsafe elements.bytes.withUnsafeBytes { unsafe [UInt8]($0) }
        }
    }

    fileprivate func take(bytes: [UInt8]) {
        precondition(isContiguous && bytes.count == byteCount)
        withMutableElements { elements in
            var target = unsafe elements.mutableBytes
            unsafe target.withUnsafeMutableBytes { target in
                unsafe bytes.withUnsafeBytes { unsafe target.copyMemory(from: $0) }
            }
        }
    }
}
