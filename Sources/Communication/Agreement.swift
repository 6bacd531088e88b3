/// A failure that all ranks know of: they leave together, and rank 0 speaks.
package struct AgreedFailure: Error, CustomStringConvertible {
    /// The ranks that failed, and what the first of them said.
    package let ranks: [Int]
    package let message: String
    package let worldSize: Int
    /// Whether the same command line can never work.
    package let isPermanent: Bool

    package init(ranks: [Int], message: String, worldSize: Int, isPermanent: Bool = false) {
        self.ranks = ranks
        self.message = message
        self.worldSize = worldSize
        self.isPermanent = isPermanent
    }

    package var description: String {
        // What every rank met needs no rank; a failure of some names them.
        ranks.count == worldSize ? message : "rank \(ranks.map(String.init).joined(separator: ", ")): \(message)"
    }
}

extension Communicator {
    /// Runs `body` on every rank; if it throws anywhere, all ranks throw the same failure. Collective.
    ///
    /// This is how bad input on one rank ends the run instead of leaving the others in a collective. `body` itself
    /// must not communicate.
    ///
    /// - Parameter work: what `body` may take long with on some rank. The others then wait for it without being taken for
    ///   stalled: without limit where they see that rank at it, being on its host, and else for `StallRule.patience` times
    ///   as long as for anything else.
    package func agree<Result>(during work: LongWork? = nil, _ body: () throws -> Result) throws -> Result {
        var outcome: Result?
        var report: [UInt8] = []
        do {
            if let work { outcome = try during(work, body) } else { outcome = try body() }
        } catch {
            report = Array("\(error is any PermanentError ? Self.permanentMark : Self.passingMark)\(error)".utf8)
        }
        table?.expect(work)
        defer { table?.expect(nil) }
        let reports = try allGather(report)
        let failed = reports.indices.filter { !reports[$0].isEmpty }
        guard let first = failed.first else {
            if let outcome { return outcome }
            preconditionFailure("no failure and no result")
        }
        throw AgreedFailure(
            ranks: failed, message: String(decoding: reports[first].dropFirst(), as: UTF8.self), worldSize: size,
            isPermanent: reports[first].first == UInt8(ascii: Self.permanentMark))
    }

    /// The bytes that `body` gives on rank 0, on every rank; if it throws there, all ranks throw what it said. Collective.
    ///
    /// - Parameter work: what `body` may take long with.
    package func fromFirst(during work: LongWork? = nil, _ body: () throws -> [UInt8]) throws -> [UInt8] {
        do {
            let bytes = try agree(during: work) { rank == 0 ? try body() : [] }
            return size == 1 ? bytes : try allGather(bytes)[0]
        } catch let failure as AgreedFailure {
            // Nobody else was asked, so that the rank says nothing.
            throw AgreedFailure(
                ranks: Array(0..<size), message: failure.message, worldSize: size, isPermanent: failure.isPermanent)
        }
    }

    /// What stands before the message of a failure.
    private static var permanentMark: Unicode.Scalar { "P" }
    private static var passingMark: Unicode.Scalar { "!" }

    /// Adds `values` up over the ranks in a tree over their numbers, the same bits whatever MPI would choose. Collective.
    package func treeSum(_ values: inout [Double]) throws {
        guard size > 1 else { return }
        // A sum with nothing but zeros changes no bit.
        var all = [Double](repeating: 0, count: size * values.count)
        for (index, value) in values.enumerated() { all[rank * values.count + index] = value }
        try allReduce(&all, .sum)
        for distance in sequence(first: 1, next: { $0 * 2 }).prefix(while: { $0 < size }) {
            for first in stride(from: 0, to: size - distance, by: 2 * distance) {
                for index in values.indices {
                    all[first * values.count + index] += all[(first + distance) * values.count + index]
                }
            }
        }
        for index in values.indices { values[index] = all[index] }
    }

    /// Throws on all ranks unless each holds the same `lines`, naming the first line that differs. Collective.
    ///
    /// - Parameter subject: what the lines describe, for the message: "configuration".
    package func agreeOnEqual(_ subject: String, _ lines: [String]) throws {
        let texts = try allGather(Array(lines.joined(separator: "\n").utf8))
        guard let different = texts.indices.first(where: { texts[$0] != texts[0] }) else { return }
        let ours = String(decoding: texts[0], as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        let theirs = String(decoding: texts[different], as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false)
        let index = (0..<max(ours.count, theirs.count)).first {
            ($0 < ours.count ? ours[$0] : "") != ($0 < theirs.count ? theirs[$0] : "")
        }
        let line = index ?? 0
        throw AgreedFailure(
            ranks: Array(0..<size),
            message: "ranks were started with different \(subject): "
                + "rank 0 has '\(line < ours.count ? ours[line] : "")', "
                + "rank \(different) has '\(line < theirs.count ? theirs[line] : "")'",
            worldSize: size, isPermanent: true)
    }
}

/// An error of what was asked for: the same command line can never work, and a script need not try it again.
package protocol PermanentError: Error {}

/// Settings that do not fit: of a flag, a recipe or a variable, of several together, or of this machine.
package struct SettingsError: PermanentError, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// An error that every rank throws alike, so that one of them may speak for all and none is left waiting.
package protocol CollectiveError: Error, CustomStringConvertible {}

extension AgreedFailure: CollectiveError {}
