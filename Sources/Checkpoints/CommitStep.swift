/// The points of `CheckpointStore.save` between any two changes of the disk, in the order in which they are passed.
///
/// A process that ends at any of them leaves either the earlier checkpoints or also the new one, whole.
package enum CommitStep: String, CaseIterable, Sendable {
    /// What an interrupted save had left is removed.
    case leftoversRemoved
    /// `checkpoint-<step>.partial` exists and is empty.
    case partialCreated
    case weightsWritten
    case optimizerWritten
    case stateWritten
    case manifestWritten
    /// All files and their names are on the device, under the `.partial` name.
    case partialSynced
    /// An earlier checkpoint of the same step is now `.replaced`; only then is this point passed.
    case previousSetAside
    /// The checkpoint has its final name.
    case renamed
    /// The final name is on the device: the commit is done.
    case committed
    /// A checkpoint that is no longer kept is now `.removing`; passed once for each.
    case expiredRenamed
    /// Its files are deleted; passed once for each.
    case expiredRemoved
}
