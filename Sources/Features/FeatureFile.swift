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
            try Self.gather(set, rowBytes: 4 * own.columns, in: world) { rows, writer in
                for row in rows { writer.append((0..<own.columns).map { own[row, $0].bitPattern }) }
            } take: { rows, reader in
                for row in rows {
                    for (column, bits) in (reader.next(all.columns) as [UInt32]).enumerated() {
                        all[row, column] = Float(bitPattern: bits)
                    }
                }
            }
            tensors.append(NamedTensor(feature.name, shape: [all.rows, all.columns], all))
        }
        if let labels = set.labels {
            var all = [Int64](repeating: 0, count: world.rank == 0 ? set.count : 0)
            try Self.gather(set, rowBytes: 4, in: world) { rows, writer in
                writer.append(labels[rows])
            } take: { rows, reader in
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
    ///   - put: writes that of some of this rank's images.
    ///   - take: reads that of some of all images.
    private static func gather(
        _ set: FeatureSet, rowBytes: Int, in world: any Communicator,
        put: (Range<Int>, inout ByteWriter) -> Void, take: (Range<Int>, inout ByteReader) -> Void
    ) throws {
        let atOnce = max(Self.round / rowBytes, 1)
        for first in stride(from: 0, to: set.counts.max() ?? 0, by: atOnce) {
            func rows(of rank: Int) -> Range<Int> {
                min(first, set.counts[rank])..<min(first + atOnce, set.counts[rank])
            }
            var writer = ByteWriter([])
            put(rows(of: world.rank), &writer)
            try world.gather(writer.bytes, during: .evaluating) { rank, bytes in
                var reader = ByteReader(bytes)
                let start = FeatureSet.range(of: rank, in: set.counts).lowerBound
                let own = rows(of: rank)
                take(start + own.lowerBound..<start + own.upperBound, &reader)
            }
        }
    }
}
