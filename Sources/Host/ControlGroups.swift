import Foundation

/// The Linux control groups of this process: what a container, a batch system or systemd grants it.
///
/// A limit can stand at any level between the process's own group and the root of the hierarchy that is mounted here, so
/// all of them are looked at and the tightest wins. Version 1, version 2 and both side by side are understood.
package struct ControlGroups: Sendable {
    /// A group that limits this process.
    package struct Group: Equatable, Sendable {
        /// Its path in the hierarchy as this process sees it: `/slurm/uid_0/job_3`. A container often sees its own group
        /// as `/`.
        package let path: String
        let directory: String
    }

    /// A group's memory, in bytes.
    package struct MemoryLimit: Equatable, Sendable {
        package let group: Group
        package let limit: Int
        /// What the limit leaves: memory in use counts, cached files that the kernel can drop do not.
        package let available: Int
    }

    /// How many processors' time a group may use.
    package struct ProcessorQuota: Equatable, Sendable {
        package let group: Group
        package let processors: Double
    }

    private let memory: [Level]
    private let processorTime: [Level]
    private let processorSets: [Level]

    /// A group of one of the versions, whose files have other names.
    private struct Level {
        let version: Int
        let group: Group
    }

    /// - Parameter root: of the file system to look at; tests give a made-up one.
    package init(root: String = "") {
        let mounts = Self.mounts(SystemFile.text(root + "/proc/self/mountinfo") ?? "")
        let memberships = Self.memberships(SystemFile.text(root + "/proc/self/cgroup") ?? "")
        func levels(_ controller: String) -> [Level] {
            memberships.flatMap { membership -> [Level] in
                let isUnified = membership.controllers.isEmpty
                guard isUnified || membership.controllers.contains(controller) else { return [] }
                let mount = mounts.first {
                    isUnified ? $0.type == "cgroup2" : $0.type == "cgroup" && $0.options.contains(controller)
                }
                guard let mount else { return [] }
                return Self.chain(of: membership.path, below: mount, root: root).map {
                    Level(version: isUnified ? 2 : 1, group: $0)
                }
            }
        }
        memory = levels("memory")
        processorTime = levels("cpu")
        processorSets = levels("cpuset")
    }

    /// The group that leaves the least memory, if any limits it.
    package var memoryLimit: MemoryLimit? {
        memory.compactMap { level in
            level.version == 2 ? Self.memoryOfVersion2(level.group) : Self.memoryOfVersion1(level.group)
        }.min { $0.available < $1.available }
    }

    /// The tightest quota of processor time, if any is set.
    package var processorQuota: ProcessorQuota? {
        processorTime.compactMap { level -> ProcessorQuota? in
            let words: [String]
            if level.version == 2 {
                words = SystemFile.words(level.group.directory + "/cpu.max")
            } else {
                words = ["cpu.cfs_quota_us", "cpu.cfs_period_us"].flatMap {
                    SystemFile.words(level.group.directory + "/" + $0)
                }
            }
            guard words.count == 2, let quota = Double(words[0]), let period = Double(words[1]), quota > 0, period > 0
            else { return nil }
            return ProcessorQuota(group: level.group, processors: quota / period)
        }.min { $0.processors < $1.processors }
    }

    /// The processors that the innermost group with a list of them allows, if there is one.
    package var processors: Set<Int>? {
        for level in processorSets {
            for name in ["cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"] {
                let list = ProcessorList.parse(SystemFile.text(level.group.directory + "/" + name) ?? "")
                if !list.isEmpty { return list }
            }
        }
        return nil
    }

    private static func memoryOfVersion2(_ group: Group) -> MemoryLimit? {
        // Above `high` the kernel slows the processes down until they stand still.
        let limits = ["memory.max", "memory.high"].compactMap { SystemFile.number(group.directory + "/" + $0) }
        guard let limit = limits.min() else { return nil }
        return memory(
            group, limit: limit, used: SystemFile.number(group.directory + "/memory.current"),
            droppable: ["inactive_file", "active_file", "slab_reclaimable"])
    }

    private static func memoryOfVersion1(_ group: Group) -> MemoryLimit? {
        guard let limit = SystemFile.number(group.directory + "/memory.limit_in_bytes"), limit < 1 << 62 else {
            // No limit is written as the largest number of pages.
            return nil
        }
        return memory(
            group, limit: limit, used: SystemFile.number(group.directory + "/memory.usage_in_bytes"),
            droppable: ["total_inactive_file", "total_active_file"])
    }

    private static func memory(_ group: Group, limit: Int, used: Int?, droppable: [String]) -> MemoryLimit {
        let statistics = SystemFile.table(group.directory + "/memory.stat")
        let cached = droppable.reduce(0) { $0 + (statistics[$1] ?? 0) }
        return MemoryLimit(group: group, limit: limit, available: max(0, limit - max(0, (used ?? 0) - cached)))
    }
}

// MARK: Where the groups are

extension ControlGroups {
    /// A line of /proc/self/cgroup: `4:memory:/slurm/uid_0/job_3`, and `0::/…` for version 2, which has all controllers.
    struct Membership: Equatable {
        let controllers: [String]
        let path: String
    }

    /// A hierarchy that is mounted: which part of it, and where.
    struct Mount: Equatable {
        let root: String
        let point: String
        let type: String
        let options: [String]
    }

    static func memberships(_ text: String) -> [Membership] {
        text.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { return nil }
            return Membership(controllers: parts[1].split(separator: ",").map(String.init), path: String(parts[2]))
        }
    }

    /// The control-group mounts of /proc/self/mountinfo:
    /// `35 24 0:30 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory`.
    static func mounts(_ text: String) -> [Mount] {
        text.split(separator: "\n").compactMap { line in
            guard let dash = line.range(of: " - ") else { return nil }
            let place = line[..<dash.lowerBound].split(separator: " ")
            let system = line[dash.upperBound...].split(separator: " ")
            guard place.count >= 5, system.count >= 3, system[0].hasPrefix("cgroup") else { return nil }
            return Mount(
                root: unescaped(place[3]), point: unescaped(place[4]), type: String(system[0]),
                options: system[2].split(separator: ",").map(String.init))
        }
    }

    /// The group at `path` and all above it that can be seen below `mount`, innermost first.
    static func chain(of path: String, below mount: Mount, root: String) -> [Group] {
        // If only a part of the hierarchy is mounted, or the process is outside of what its namespace shows, the paths
        // have nothing in common, and what is mounted is all there is to see.
        var parts: [Substring] = []
        let prefix = mount.root == "/" ? "" : mount.root
        if path == prefix || path.hasPrefix(prefix + "/") {
            parts = path.dropFirst(prefix.count).split(separator: "/")
            if parts.contains("..") { parts = [] }
        }
        return (0...parts.count).reversed().map { count in
            let inner = parts[..<count].map { "/" + $0 }.joined()
            let shown = prefix + inner
            return Group(path: shown.isEmpty ? "/" : shown, directory: root + mount.point + inner)
        }
    }

    /// Blanks and the like stand in mountinfo as `\040`.
    private static func unescaped(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), rest.count >= 3,
                let value = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
