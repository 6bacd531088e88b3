internal import Host

extension CheckpointError: CustomStringConvertible {
    package var description: String {
        // A path may be long; what is wrong with it must not be cut off behind it.
        "\(path.printable(limit: 1_000))\(": \(reason.text)".printable(limit: 1_000))"
    }
}

extension CheckpointError.Reason {
    fileprivate var text: String {
        switch self {
        case .notACheckpoint: "is not a checkpoint directory: it has no \(CheckpointManifest.fileName)"
        case .noCheckpoint: "holds no checkpoint"
        case .noValidCheckpoint(let damaged): "holds no undamaged checkpoint (\(damaged) damaged)"
        case .manifestInvalid(let problem): "is damaged: \(problem)"
        case .unsupportedVersion(let version):
            "has format version \(version), this program reads \(CheckpointManifest.currentVersion); use a newer program"
        case .stateInvalid(let problem): "cannot be decoded: \(problem); was it written by a later version?"
        case .stateNotEncodable(let problem): "the run state cannot be encoded: \(problem)"
        case .foreign(let what): "is kept: \(what)"
        }
    }
}
