package import Communication
import Foundation
internal import Host

/// How many threads a rank may use without taking another rank's cores, and what to say where ranks and cores do not fit.
package enum ProcessorAffinity {
    /// What one rank knows of the processors it may use.
    package struct Share: Codable, Equatable, Sendable {
        package var host: String
        /// Physical cores that this rank may run on.
        package var cores: Set<Int>
        /// The control group with the tightest quota of processor time, and the cores that are worth as much.
        package var quotaGroup: String?
        package var quota: Int?
        /// Cores for all ranks of the host, whatever each is bound to.
        package var hostCores: Int

        package init(host: String, cores: Set<Int>, quotaGroup: String? = nil, quota: Int? = nil, hostCores: Int) {
            self.host = host
            self.cores = cores
            self.quotaGroup = quotaGroup
            self.quota = quota
            self.hostCores = hostCores
        }
    }

    /// The cores this process may run on over the ranks of this host that may run on any of the same cores, and no more
    /// than its part of a quota; at least 1. Collective.
    package static func threads(_ communicator: any Communicator) throws -> Int {
        threads(of: communicator.rank, among: try shares(communicator))
    }

    package static func threads(of rank: Int, among shares: [Share]) -> Int {
        let own = shares[rank]
        let neighbors = shares.filter { $0.host == own.host }
        let sharing = neighbors.filter { !$0.cores.isDisjoint(with: own.cores) }.count
        var threads = own.cores.count / max(1, sharing)
        if let quota = own.quota {
            threads = min(threads, quota / max(1, neighbors.filter { $0.quotaGroup == own.quotaGroup }.count))
        }
        return max(1, threads)
    }

    /// What a person should know of the first host whose ranks have too few cores, or leave cores idle to which they were
    /// not let. Collective; every rank returns the same.
    ///
    /// - Parameter threads: of each rank.
    package static func notices(threads: Int, in communicator: any Communicator) throws -> [String] {
        guard communicator.size > 1 else { return [] }
        return notices(threads: threads, among: try shares(communicator))
    }

    package static func notices(threads: Int, among shares: [Share]) -> [String] {
        for first in shares.indices where shares.firstIndex(where: { $0.host == shares[first].host }) == first {
            let ranks = shares.filter { $0.host == shares[first].host }
            let bound = ranks.reduce(Set<Int>()) { $0.union($1.cores) }
            let cores = ranks.map(\.hostCores).max() ?? 1
            let busy = ranks.count * threads
            let place = Set(shares.map(\.host)).count > 1 ? " of \(shares[first].host)" : " here"
            let what = "\(counted(ranks.count, "rank")) × \(counted(threads, "thread"))"
            if bound.count < min(busy, cores) || (bound.count < cores && busy < cores && bound.count <= busy) {
                let each = max(1, cores / ranks.count)
                return [
                    "mpirun has bound \(what) to \(bound.count) of the \(cores) cores\(place): give it "
                        + (each > 1 ? "--map-by slot:PE=\(each) --bind-to core, or " : "") + "--bind-to none"
                ]
            }
            // Ranks of one thread share cores well; threads of one rank wait for each other at every operation.
            if threads > 1 && busy > cores {
                return [
                    "\(what) share \(counted(cores, "core"))\(place), which slows them down: "
                        + "--threads \(max(1, cores / ranks.count)) fits"
                ]
            }
        }
        return []
    }

    private static func shares(_ communicator: any Communicator) throws -> [Share] {
        let processors = Processors()
        let own = Share(
            host: HostName.current, cores: processors.cores,
            quotaGroup: processors.quota?.group.path, quota: processors.quota.map { Processors.whole($0.processors) },
            hostCores: processors.hostCapacity)
        return try communicator.allGather([UInt8](JSONEncoder().encode(own))).map {
            try JSONDecoder().decode(Share.self, from: Data($0))
        }
    }
}
