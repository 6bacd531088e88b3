internal import Features
package import Communication
internal import Host
internal import Optimization
package import Safetensors
internal import Tensors

/// A probe in training that is kept after every epoch: in one file, for one description of all that decides what is learnt.
package protocol ResumableProbe: AnyObject {
    /// Epochs done.
    var epoch: Int { get }
    /// Views of, or copies of, all that training goes on from.
    var kept: [NamedTensor] { get }
    /// Takes what was kept after an epoch.
    ///
    /// - Throws: `SafetensorsError` if a tensor is missing or has another shape.
    func takeUp(_ file: SafetensorsFile, epoch: Int) throws
}

extension ResumableProbe {
    /// Writes the file on rank 0; whoever reads meanwhile sees the old file or the new one. Collective.
    package func save(to path: String, settings: String, in world: any Communicator) throws {
        try world.agree(during: .saving) {
            guard world.rank == 0 else { return }
            try SafetensorsWriter.write(
                kept, metadata: ["settings": settings, "epoch": "\(epoch)"], to: path + ".partial")
            try Directories.rename(path + ".partial", to: path)
        }
    }

    /// Goes on from the file. Collective.
    ///
    /// - Throws: as `ProbeFile.epoch`, or if a tensor is missing.
    package func restore(from path: String, settings: String, in world: any Communicator) throws {
        try world.agree(during: .readingCheckpoint) {
            let file = try SafetensorsFile(path: path)
            try takeUp(file, epoch: ProbeFile.epoch(of: file, settings: settings))
        }
    }

    /// Fills views from the tensors of their names.
    package func read(_ tensors: [NamedTensor], from file: SafetensorsFile) throws {
        for tensor in tensors {
            guard case .floats(let values) = tensor.content else { continue }
            try file.read(tensor.name, shape: tensor.shape, into: values)
        }
    }
}

/// The file of a probe.
package enum ProbeFile {
    /// Epochs that it has seen; 0 where there is none. Collective.
    ///
    /// - Throws: if it cannot be read, is of other settings, or is there for some ranks only.
    package static func epoch(in path: String, settings: String, in world: any Communicator) throws -> Int {
        let epoch = try world.agree(during: .readingCheckpoint) {
            Directories.exists(path) ? try ProbeFile.epoch(of: SafetensorsFile(path: path), settings: settings) : 0
        }
        try world.agreeOnEqual("probes", ["\(epoch) epochs"])
        return epoch
    }

    fileprivate static func epoch(of file: SafetensorsFile, settings: String) throws -> Int {
        let found = file.metadata["settings"]
        guard found == settings, let epoch = file.metadata["epoch"].flatMap({ Int($0) }) else {
            throw SettingsError(
                "\(file.path) is of another probe (\(found ?? "no settings")): remove it, or give another --output-dir")
        }
        return epoch
    }
}

extension ProbeTraining: ResumableProbe {
    package var kept: [NamedTensor] {
        let count = heads.values.columns
        var tensors = [
            NamedTensor("heads", shape: [count], heads.values),
            NamedTensor("mu", shape: [count], heads.optimizer.moments[0]),
        ]
        for feature in heads.features {
            guard let norm = heads.norms[feature] else { continue }
            for (name, values) in [("running_mean", norm.runningMean), ("running_var", norm.runningVariance)] {
                tensors.append(
                    NamedTensor(
                        "\(feature.name).\(name)", shape: [values.count],
                        Matrix(rows: 1, columns: values.count, values: values.map { Float($0) })))
            }
        }
        return tensors
    }

    package func takeUp(_ file: SafetensorsFile, epoch: Int) throws {
        try read(kept, from: file)
        for feature in heads.features {
            heads.norms[feature]?.restore(
                mean: try file.floats("\(feature.name).running_mean").map { Double($0) },
                variance: try file.floats("\(feature.name).running_var").map { Double($0) })
        }
        self.epoch = epoch
    }
}
