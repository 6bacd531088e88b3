internal import Runs

/// Says how far an evaluation is that takes long, every half minute.
package final class PassProgress {
    private let what: String
    private let interval: Duration
    private let say: (String) -> Void
    private var started = ContinuousClock.now
    private var said = ContinuousClock.now

    /// - Parameters:
    ///   - what: is done with images: "features of /data".
    ///   - isSilent: of all ranks but one.
    package init(
        _ what: String, isSilent: Bool, every interval: Duration = .seconds(30),
        say: @escaping (String) -> Void = Console.note
    ) {
        self.what = what
        self.interval = interval
        self.say = isSilent ? { _ in } : say
    }

    /// - Parameter done: images of this rank; 0 where it begins.
    package func tell(_ done: Int, of count: Int) {
        if done == 0 { (started, said) = (.now, .now) }
        guard done > 0 && done < count && ContinuousClock.now - said >= interval else { return }
        said = .now
        let rate = Double(done) / ((ContinuousClock.now - started) / .seconds(1))
        let rest = Reporter.time(Double(count - done) / rate)
        say("\(what): \(done) of this rank's \(count) images, \(Int(rate.rounded())) images/s, \(rest) to go")
    }
}
