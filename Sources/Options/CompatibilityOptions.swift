package import ArgumentParser
internal import Communication
internal import Settings

/// Flags of `main_pretrain.py` that have nothing to do here; a run that is given one says so.
package struct CompatibilityOptions: ParsableArguments {
    @Option(help: "Only cpu.") package var device: String?
    @Option(help: "No effect: log.txt is in --output-dir.") package var logDir: String?
    @Option(help: "No effect: the online classifier is reported with each epoch.") package var valInterval: Int?
    @Flag(inversion: .prefixedNo, help: "No effect on CPUs.") package var pinMem: Bool?
    @Option(help: "No effect: mpirun sets the world.") package var worldSize: Int?
    @Option(help: "No effect: mpirun sets the rank.") package var localRank: Int?
    @Flag(inversion: .prefixedNo, help: "No effect: mpirun sets the world.") package var distOnItp = false
    @Option(help: "No effect: mpirun sets the world.") package var distUrl: String?

    package init() {}

    /// One line for each flag given that has no effect.
    package func notices() throws -> [String] {
        if let device, device != "cpu" {
            throw SettingsError("--device is \(device): umae-dist trains on CPUs; leave the flag out")
        }
        return FlagValue.changed(in: self).filter { $0.flag != "device" }.map {
            "--\($0.flag) has no effect here; see umae-dist pretrain --help"
        }
    }
}
