import Foundation

/// How much memory this process can still be given, by everything that limits it.
package struct HostMemory: Sendable {
    /// Whose memory a limit counts.
    package enum Scope: Codable, Equatable, Hashable, Sendable {
        /// A limit of this process alone.
        case process
        /// A limit that all processes in a control group share.
        case group(String)
        /// The memory that all processes on the host share.
        case host
    }

    package struct Limit: Codable, Equatable, Sendable {
        package let scope: Scope
        /// Bytes that are left.
        package let available: Int
        /// What limits, and to how many bytes in all if that is known: `ulimit -v`.
        package let name: String
        package let total: Int?

        package init(scope: Scope, available: Int, name: String, total: Int? = nil) {
            self.scope = scope
            self.available = available
            self.name = name
            self.total = total
        }
    }

    package let limits: [Limit]

    /// Bytes that all limits leave; the most that can be counted where none is known.
    package var least: Int { limits.map(\.available).min() ?? .max }

    /// - Parameters:
    ///   - root: of the file system to look at; tests give a made-up one.
    ///   - addressSpace, dataSegment: the limits of this process (ulimit -v and -d); nil for none.
    package init(
        root: String = "", addressSpace: Int? = Self.addressSpaceLimit, dataSegment: Int? = Self.dataSegmentLimit
    ) {
        var limits: [Limit] = []
        let memory = SystemFile.table(root + "/proc/meminfo")
        if let kibibytes = memory["MemAvailable"] {
            limits.append(Limit(scope: .host, available: kibibytes << 10, name: "this host"))
        }
        // Strict accounting refuses what could not be backed if all of it were used.
        if SystemFile.number(root + "/proc/sys/vm/overcommit_memory") == 2, let limit = memory["CommitLimit"],
            let committed = memory["Committed_AS"]
        {
            limits.append(
                Limit(
                    scope: .host, available: max(0, limit - committed) << 10,
                    name: "this host, whose memory is not overcommitted (vm.overcommit_memory is 2),",
                    total: limit << 10))
        }
        if let group = ControlGroups(root: root).memoryLimit {
            let path = group.group.path
            limits.append(
                Limit(
                    scope: .group(path), available: group.available,
                    name: path == "/" ? "the control group of this container" : "the control group \(path)",
                    total: group.limit))
        }
        let process = SystemFile.table(root + "/proc/self/status")
        for (name, limit, used) in [
            ("ulimit -v", addressSpace, process["VmSize"]), ("ulimit -d", dataSegment, process["VmData"]),
        ] {
            guard let limit else { continue }
            limits.append(
                Limit(scope: .process, available: max(0, limit - (used ?? 0) << 10), name: name, total: limit))
        }
        self.limits = limits
    }

    package static var addressSpaceLimit: Int? { softLimit(__rlimit_resource_t(RLIMIT_AS.rawValue)) }
    package static var dataSegmentLimit: Int? { softLimit(__rlimit_resource_t(RLIMIT_DATA.rawValue)) }

    /// The soft limit is what counts; nil if there is none.
    private static func softLimit(_ resource: __rlimit_resource_t) -> Int? {
        var limit = rlimit()
        guard unsafe getrlimit(resource, &limit) == 0 else { return nil }
        return limit.rlim_cur > UInt(Int.max >> 1) ? nil : Int(limit.rlim_cur)
    }
}
