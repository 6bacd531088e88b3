/// Messages that are under way while something else is computed. Open MPI moves them only inside its calls, so whoever
/// computes looks after them now and then.
package protocol InFlight: AnyObject {
    /// Whether anything is under way.
    var isBusy: Bool { get }
    /// Lets messages move, and returns at once.
    func progress() throws
    /// Waits for all that is under way. Collective.
    func finish() throws
}
