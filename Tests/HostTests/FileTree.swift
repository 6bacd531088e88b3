import Foundation

/// A made-up file system: what the kernel would tell on another machine.
final class FileTree {
    let root = NSTemporaryDirectory() + "umae-dist-host-" + UUID().uuidString

    init(_ files: [String: String]) throws {
        for (path, text) in files {
            let file = URL(fileURLWithPath: root + path)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try (text + "\n").write(to: file, atomically: false, encoding: .utf8)
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: root) }
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
