import TestSupport

/// A made-up file system: what the kernel would tell on another machine.
struct FileTree {
    private let directory: TemporaryDirectory

    init(_ files: [String: String]) throws {
        directory = try TemporaryDirectory()
        for (path, text) in files { try directory.write(path, Array((text + "\n").utf8)) }
    }

    var root: String { directory.path }
}

/// Lines of mountinfo.
enum Mounts {
    static let unified = "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"
    static let version1 = """
        25 20 0:23 / /sys rw - sysfs sysfs rw
        33 25 0:28 / /sys/fs/cgroup/memory rw,nosuid shared:15 - cgroup cgroup rw,memory
        34 25 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:16 - cgroup cgroup rw,cpu,cpuacct
        36 25 0:31 / /sys/fs/cgroup/cpuset rw,nosuid shared:17 - cgroup cgroup rw,cpuset
        """
}
