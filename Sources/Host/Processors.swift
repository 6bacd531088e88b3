import Foundation

/// The processors that this process may use.
package struct Processors: Sendable {
    /// Physical cores this process may run on, each named by its lowest hardware thread.
    package let cores: Set<Int>
    /// Physical cores that the control groups of this process leave to it and its neighbours, whatever it is bound to.
    package let hostCores: Set<Int>
    /// The tightest quota of processor time of the control groups.
    package let quota: ControlGroups.ProcessorQuota?

    /// - Parameters:
    ///   - root: of the file system to look at; tests give a made-up one.
    ///   - allowed: the hardware threads this process may run on; those of its affinity mask if nil.
    package init(root: String = "", allowed: Set<Int>? = nil) {
        let groups = ControlGroups(root: root)
        let count = ProcessInfo.processInfo.activeProcessorCount
        let own = allowed ?? Self.affinity(root: root) ?? Set(0..<count)
        let online = ProcessorList.parse(SystemFile.text(root + "/sys/devices/system/cpu/online") ?? "")
        let present = online.isEmpty ? Set(0..<max(count, 1)) : online
        let granted = groups.processors.map { $0.intersection(present) } ?? present
        cores = Self.cores(of: own, root: root)
        hostCores = Self.cores(of: granted.union(own), root: root)
        quota = groups.processorQuota
    }

    /// How many cores' worth of time there is on this host for all processes of the job.
    package var hostCapacity: Int {
        let cores = max(1, hostCores.count)
        guard let quota else { return cores }
        return min(cores, Self.whole(quota.processors))
    }

    /// A part of a core is worth a thread: all threads of the group then run until the quota of a period is used up.
    package static func whole(_ processors: Double) -> Int { max(1, Int(min(processors, 1e6).rounded(.up))) }

    /// Hardware threads that share a core are one core: two threads of a product on it would share its multipliers.
    private static func cores(of processors: Set<Int>, root: String) -> Set<Int> {
        Set(
            processors.map { processor in
                let path = root + "/sys/devices/system/cpu/cpu\(processor)/topology/thread_siblings_list"
                return ProcessorList.parse(SystemFile.text(path) ?? "").min() ?? processor
            })
    }

    /// The affinity mask of this process, which lies within its control groups' list; nil where the system does not tell.
    private static func affinity(root: String) -> Set<Int>? {
        let key = "Cpus_allowed_list:"
        let line = (SystemFile.text(root + "/proc/self/status") ?? "").split(separator: "\n").first {
            $0.hasPrefix(key)
        }
        let allowed = ProcessorList.parse(line.map { String($0.dropFirst(key.count)) } ?? "")
        return allowed.isEmpty ? nil : allowed
    }
}
