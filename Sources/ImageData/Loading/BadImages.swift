internal import ImageSources
internal import Synchronization
internal import Tensors

/// What becomes of images that cannot be decoded, and which they were.
///
/// In the place of one that is skipped there is another image, drawn at random for this sample and epoch: every rank, and a
/// run that goes on, draws the same.
package final class BadImages: Sendable {
    package enum Action: String, CaseIterable, Sendable {
        /// Another image takes the place; too many of them end the run.
        case skip
        /// The first ends the run.
        case fail
    }

    private struct State {
        var found: Set<Int> = []
        /// The first errors that nobody was told yet, and how many there are.
        var messages: [String] = []
        var untold = 0
    }

    private let action: Action
    /// How many images may be bad.
    private let most: Int
    private let state = Mutex(State())
    private static var told: Int { 3 }

    /// - Parameter count: images of the data set: one of a hundred may be bad, and ten in any case.
    package init(_ action: Action, of count: Int) {
        self.action = action
        most = max(10, count / 100)
    }

    /// Notes an image that cannot be decoded.
    ///
    /// - Throws: the error, if it ends the run.
    func note(_ index: Int, _ error: ImageDataError) throws(ImageDataError) {
        guard action == .skip, error.isOfOneImage else { throw error }
        let count = state.withLock { state in
            if state.found.insert(index).inserted {
                state.untold += 1
                if state.messages.count < Self.told { state.messages.append(error.description) }
            }
            return state.found.count
        }
        if count > most { throw .tooManyBadImages(count: count, last: error.description) }
    }

    /// A line for each of the first images that were skipped since the last call, and one for the number of the others.
    package func news() -> [String] {
        state.withLock { state in
            defer { (state.messages, state.untold) = ([], 0) }
            let others = state.untold - state.messages.count
            return state.messages.map { "skipped \($0)" }
                + (others > 0 ? ["skipped \(others) more images that cannot be decoded"] : [])
        }
    }

    /// How often another image is drawn, before the data set counts as unreadable.
    static var attempts: Int { 16 }
}
