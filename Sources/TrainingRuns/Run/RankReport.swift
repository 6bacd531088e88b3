internal import Communication
internal import ImageData
internal import Runs

/// What ranks tell one another at the end of an epoch.
final class RankReport {
    private let clock: PhaseClock
    private let badImages: BadImages
    private let communicator: any Communicator
    private let reporter: Reporter
    /// This rank's seconds up to the last epoch's end: outside communication, waiting for images, in all.
    private var before = (computed: 0.0, waited: 0.0, total: 0.0)
    /// By epoch, the share of its time that the rank which waited longest for images has waited for them.
    private var waits: [Double] = []
    /// Images of which it was said that they are skipped; on rank 0.
    private var skipped: Set<Int> = []

    init(_ clock: PhaseClock, _ badImages: BadImages, in communicator: any Communicator, _ reporter: Reporter) {
        self.clock = clock
        self.badImages = badImages
        self.communicator = communicator
        self.reporter = reporter
    }

    /// Says which images were skipped, and which ranks compute much longer than the others, who then wait for them at every
    /// step. Collective.
    ///
    /// - Returns: the share of its time that the rank which waited longest for images has waited for them.
    func report(epoch: Int) throws -> Double {
        let news = badImages.news()
        let waited = clock[.data]
        let total = PhaseClock.Phase.allCases.reduce(0) { $0 + clock[$1] }
        let computed = total - clock[.communication]
        let since = before
        before = (computed, waited, total)
        let ranks = communicator.size
        var figures = [Double](repeating: 0, count: 3 * ranks)
        figures[communicator.rank] = computed - since.computed
        figures[ranks + communicator.rank] = (waited - since.waited) / max(total - since.total, 1e-9)
        figures[2 * ranks + communicator.rank] = Double(news.count)
        try communicator.allReduce(&figures, .sum)
        reportStragglers(Array(figures[..<ranks]), epoch: epoch)
        if figures[(2 * ranks)...].contains(where: { $0 > 0 }) { try tell(news) }
        let wait = figures[ranks..<2 * ranks].max() ?? 0
        waits.append(wait)
        return wait
    }

    private func tell(_ news: [BadImages.Found]) throws {
        var found: [BadImages.Found] = []
        try communicator.gather(BadImages.encoded(news), during: .printing) { _, bytes in
            // Several ranks may have met the same image, now or in different epochs.
            for bad in BadImages.decoded(bytes) where skipped.insert(bad.image).inserted { found.append(bad) }
        }
        for line in BadImages.lines(of: found) { reporter.note(line) }
    }

    private func reportStragglers(_ seconds: [Double], epoch: Int) {
        guard seconds.count > 1 else { return }
        let median = seconds.sorted()[seconds.count / 2]
        // Of two the median is the slower one.
        let usual = seconds.count == 2 ? seconds.min() ?? median : median
        for (rank, own) in seconds.enumerated() where own > Self.stragglerFactor * usual && own - usual > 1 {
            reporter.note(
                "rank \(rank) computed for \(Reporter.time(own)) in epoch \(epoch), others for "
                    + "\(Reporter.time(usual)): its host may be slower, or shared")
        }
    }

    private static var stragglerFactor: Double { 1.25 }

    /// What to change where ranks have waited for images for much of the time; nil where they have not.
    var adviceOnData: String? {
        // The first epoch also waits for the first batch.
        let usual = waits.dropFirst(waits.count > 1 ? 1 : 0)
        let share = usual.reduce(0, +) / Double(max(usual.count, 1))
        guard share > Self.longWait else { return nil }
        return
            "\(Int((100 * share).rounded()))% of the time went by waiting for images: leave cores for more --workers, or give "
            + "images that are smaller or decoded (umae-dist pack --resize)"
    }

    private static var longWait: Double { 0.1 }
}
