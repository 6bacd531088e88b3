package import Communication
internal import Host
internal import ImageFiles
internal import ImageShards
package import ImageSources

extension DataOptions {
    /// The images as they are read from each host's own disk, where `--stage` asks for it. Collective.
    ///
    /// One rank of each host brings what is not there, and the others wait for it.
    ///
    /// - Parameter isDry: whether only what would be brought is said, and the images are left where they are.
    package func staged(
        _ source: any ImageSource, isDry: Bool, in world: any Communicator, note: (String) -> Void
    ) throws -> any ImageSource {
        guard let stage else { return source }
        guard let images = source as? EncodedImages, let staging = Staging(of: images, in: stage) else {
            note("--stage has no effect: only tars and packs are brought to a host, and \(source.name) is neither")
            return source
        }
        let isFirstOfHost = (world.table?.localRank ?? 0) == 0
        var told = HostTable.now()
        let outcome = try world.agree(during: .staging) {
            guard isFirstOfHost else { return Staging.Outcome() }
            do throws(StagingError) {
                return try isDry
                    ? staging.examine()
                    : staging.copy { done, all in
                        guard world.rank == 0, HostTable.now() - told > 10_000_000_000 else { return }
                        told = HostTable.now()
                        note("--stage: \(done >> 20) of \(all >> 20) MiB")
                    }
            } catch {
                throw FlagError("--stage: \(error)")
            }
        }
        note(
            "--stage: \(counted(outcome.copiedFiles, "file")) (\(outcome.copiedBytes >> 20) MiB) "
                + "\(isDry ? "would be " : "")brought to \(staging.directory), \(outcome.keptFiles) there already")
        if isDry { return source }
        return try world.agree { try staging.opened() }
    }
}
