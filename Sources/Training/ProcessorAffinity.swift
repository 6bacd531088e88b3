package import Communication
import Foundation

/// How many threads a rank may use without taking another rank's cores.
package enum ProcessorAffinity {
    /// The cores this process may run on over the ranks of this host that may run on any of the same cores, at
    /// least 1. Collective.
    package static func threads(_ communicator: any Communicator) throws -> Int {
        let own = allowedCores()
        let text = ProcessInfo.processInfo.hostName + " " + own.sorted().map(String.init).joined(separator: ",")
        let all = try communicator.allGather(Array(text.utf8)).map { String(decoding: $0, as: UTF8.self) }
        let host = text.split(separator: " ").first
        let sharing = all.filter { other in
            let parts = other.split(separator: " ")
            guard parts.count == 2, parts.first == host else { return false }
            return !own.isDisjoint(with: parts[1].split(separator: ",").compactMap { Int($0) })
        }
        return max(1, own.count / max(1, sharing.count))
    }

    /// The affinity mask, from /proc/self/status: `Cpus_allowed_list: 0-3,8`.
    static func allowedCores() -> Set<Int> {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let key = "Cpus_allowed_list:"
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(key) }) else {
            return Set(0..<ProcessInfo.processInfo.activeProcessorCount)
        }
        return parseList(line.dropFirst(key.count).trimmingCharacters(in: .whitespaces))
    }

    package static func parseList(_ list: String) -> Set<Int> {
        var cores: Set<Int> = []
        for part in list.split(separator: ",") {
            let bounds = part.split(separator: "-").compactMap { Int($0) }
            guard let first = bounds.first, let last = bounds.last, first <= last else { continue }
            cores.formUnion(first...last)
        }
        return cores
    }
}
