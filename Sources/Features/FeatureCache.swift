internal import Checkpoints
package import Communication
internal import Host
internal import Safetensors
internal import Tensors

/// Features that were taken before, kept in a directory: one file for each feature of each data set behind each checkpoint.
///
/// A file names all that decides what is in it and is taken for nothing else. One that cannot be read or written is as good
/// as none.
package struct FeatureCache: Sendable {
    private let directory: String
    /// All that decides of features but which they are: checkpoint, images, what becomes of them, type of the products.
    private let origin: String

    /// - Parameter origin: all that decides of features but which they are.
    package init(directory: String, origin: String) {
        self.directory = directory
        self.origin = origin
    }

    /// A feature of all images, of which each rank has its share; nil unless every rank can read it. Collective.
    package func load(_ feature: ImageFeature, width: Int, in world: any Communicator) throws -> FeatureSet? {
        var found = [0.0]
        let own = world.during(.readingData) { try? read(feature, width: width, in: world) }
        found[0] = own == nil ? 0 : 1
        try world.allReduce(&found, .sum)
        return Int(found[0]) == world.size ? own : nil
    }

    private func read(_ feature: ImageFeature, width: Int, in world: any Communicator) throws -> FeatureSet? {
        let file = try SafetensorsFile(path: path(of: feature))
        guard file.metadata[Self.originKey] == origin, let info = file[feature.name], info.shape.count == 2,
            info.shape[1] == width
        else { return nil }
        let count = info.shape[0]
        let share = world.share(of: count)
        let rows = Matrix(rows: share.count, columns: width)
        try file.read(feature.name, rowsFrom: share.lowerBound, into: rows)
        let labels =
            file[FeatureFile.labels] == nil ? nil : try file.floats(FeatureFile.labels)[share].map { Int32($0) }
        let counts = (0..<world.size).map { count * ($0 + 1) / world.size - count * $0 / world.size }
        return FeatureSet(
            rows: [feature: rows], labels: labels, classCount: file.metadata[Self.classesKey].flatMap { Int($0) },
            counts: counts, rank: world.rank)
    }

    /// Keeps the features of all ranks. Collective.
    ///
    /// - Returns: what kept some of them from being written; nil where nothing did.
    package func save(_ features: FeatureSet, in world: any Communicator) throws -> String? {
        var problem: String?
        for feature in features.rows.keys.sorted(by: { $0.name < $1.name }) {
            guard let file = try FeatureFile(gathering: [feature], of: features, in: world) else { continue }
            var metadata = [Self.originKey: origin]
            metadata[Self.classesKey] = features.classCount.map(String.init)
            do {
                try Directories.createAll(directory)
                // Whoever reads meanwhile sees the old file or the new one.
                let path = path(of: feature)
                try SafetensorsWriter.write(file.tensors, metadata: metadata, to: path + ".partial")
                try Directories.rename(path + ".partial", to: path)
            } catch {
                problem = "\(error)"
            }
        }
        return problem
    }

    private func path(of feature: ImageFeature) -> String {
        var checksum = Checksum()
        unsafe checksum.add(Array(origin.utf8).span.bytes)
        return Directories.child(
            directory, "\(feature.name)-\(String(checksum.value, radix: 16)).safetensors")
    }

    private static var originKey: String { "origin" }
    private static var classesKey: String { "classes" }
}
