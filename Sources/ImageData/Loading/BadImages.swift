package import ImageSources
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
        /// Those that nobody was told yet.
        var untold: [Found] = []
    }

    private let action: Action
    /// How many images may be bad.
    private let most: Int
    private let state = Mutex(State())
    /// - Parameter count: images of the data set: one of a hundred may be bad, and ten in any case.
    package init(_ action: Action, of count: Int) {
        self.action = action
        most = max(10, count / 100)
    }

    /// Notes an image that cannot be decoded.
    ///
    /// - Throws: the error, if it ends the run.
    package func note(_ index: Int, _ error: ImageDataError) throws(ImageDataError) {
        guard action == .skip, error.isOfOneImage else { throw error }
        let count = state.withLock { state in
            if state.found.insert(index).inserted {
                state.untold.append(Found(image: index, reason: error.description))
            }
            return state.found.count
        }
        if count > most { throw .tooManyBadImages(count: count, last: error.description) }
    }

    /// The images that were skipped for the first time since the last call.
    package func news() -> [Found] {
        state.withLock { state in
            defer { state.untold = [] }
            return state.untold
        }
    }

    /// How often another image is drawn, before the data set counts as unreadable.
    static var attempts: Int { 16 }
}
