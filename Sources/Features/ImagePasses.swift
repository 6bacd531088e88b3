package import Communication
package import ImageData
package import ImageSources
internal import Host
internal import Synchronization
package import Tensors

/// Each rank's share of a data set, prepared a pass at a time.
package struct ImagePasses {
    /// Images of one pass, at most.
    package let images: Int
    package let team: Team
    /// [`images`, C·H·W]; what rows hold that are not filled does not matter.
    package let pixels: Matrix
    private let transform: ImageTransform
    private let workspaces: [AugmentationWorkspace]
    private let progress: (_ done: Int, _ count: Int) -> Void

    /// One pass, of which every member of the team prepares a part.
    package struct Pass {
        /// Its images among those of this rank.
        package let places: Range<Int>
        /// [images, 1]: their numbers in the data set; those of rows without an image are 0.
        package let samples: MatrixView<Int>
        fileprivate let source: any ImageSource
        fileprivate let passes: ImagePasses
        fileprivate let failures = Failures()

        /// Every member calls it.
        package func prepare(by member: TeamMember) {
            member.forEachChunk(of: places.count) { range in
                for row in range {
                    do throws(ImageDataError) {
                        try passes.transform.prepare(
                            source, index: samples[row, 0], seed: 0, epoch: 0,
                            workspace: passes.workspaces[member.index], into: passes.pixels.rows(row..<row + 1))
                    } catch {
                        failures.found.withLock { $0.append((row, error)) }
                    }
                }
            }
        }
    }

    /// Rows of images that cannot be decoded.
    fileprivate final class Failures: Sendable {
        let found = Mutex<[(row: Int, error: ImageDataError)]>([])
    }

    /// - Parameters:
    ///   - transform: what becomes of an image; it must not be one that draws numbers.
    ///   - progress: is told, before and after each pass, how many of this rank's images are done.
    package init(
        _ transform: ImageTransform, images: Int, team: Team, plan: MemoryPlan,
        progress: @escaping (_ done: Int, _ count: Int) -> Void = { _, _ in }
    ) {
        self.progress = progress
        self.images = images
        self.team = team
        self.transform = transform
        pixels = plan.matrix(.batches, "images", rows: images, columns: transform.elementCount)
        workspaces = (0..<team.count).map { _ in AugmentationWorkspace() }
    }

    /// This rank's images, in the order in which passes are made.
    ///
    /// - Parameter most: if there are more images, so many of them in equal distances.
    package static func own(of source: any ImageSource, most: Int, in world: any Communicator) -> [Int] {
        let count = min(source.count, most)
        return world.share(of: count).map { $0 * source.count / count }
    }

    /// Calls `body` with each pass over `images`; what it computes of images that cannot be decoded does not count.
    ///
    /// - Parameter badImages: what becomes of them; nil for none to be left out.
    /// - Returns: the places, among `images`, of those that can be decoded.
    /// - Throws: on all ranks, if an image cannot be read. Collective.
    package func run(
        _ source: any ImageSource, _ own: [Int], skipping badImages: BadImages? = nil, in world: any Communicator,
        _ body: (Pass) -> Void
    ) throws -> [Int] {
        try world.agree(during: .evaluating) {
            var bad: Set<Int> = []
            for first in stride(from: 0, to: own.count, by: images) {
                progress(first, own.count)
                let places = first..<min(first + images, own.count)
                let samples = MatrixView<Int>(rows: images, columns: 1)
                for place in places { samples[place - first, 0] = own[place] }
                let pass = Pass(places: places, samples: samples, source: source, passes: self)
                body(pass)
                for (row, error) in pass.failures.found.withLock({ $0 }).sorted(by: { $0.row < $1.row }) {
                    guard let badImages else { throw error }
                    try badImages.note(own[first + row], error)
                    bad.insert(first + row)
                }
                world.noteProgress()
            }
            return own.indices.filter { !bad.contains($0) }
        }
    }
}
