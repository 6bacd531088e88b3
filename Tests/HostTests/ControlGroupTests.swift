import Foundation
import Host
import Testing

@Suite("Control groups: the tightest limit from the process's own group up to the root")
struct ControlGroupTests {
    private func groups(_ files: [String: String]) throws -> (ControlGroups, FileTree) {
        let tree = try FileTree(files)
        return (ControlGroups(root: tree.root), tree)
    }

    @Test("a container sees its own group as the root")
    func container() throws {
        let (groups, tree) = try groups([
            "/proc/self/cgroup": "0::/", "/proc/self/mountinfo": Mounts.unified,
            "/sys/fs/cgroup/memory.max": "8589934592", "/sys/fs/cgroup/memory.current": "1073741824",
            "/sys/fs/cgroup/cpu.max": "150000 100000", "/sys/fs/cgroup/cpuset.cpus.effective": "2-3",
        ])
        let memory = try #require(groups.memoryLimit)
        #expect(memory.limit == 8 << 30 && memory.available == 7 << 30 && memory.group.path == "/")
        #expect(groups.processorQuota?.processors == 1.5)
        #expect(groups.processors == [2, 3])
        _ = tree
    }

    @Test("in nested groups of version 2 an outer limit may be the tighter one")
    func nested() throws {
        let (groups, tree) = try groups([
            "/proc/self/cgroup": "0::/system.slice/job_3/step_0", "/proc/self/mountinfo": Mounts.unified,
            "/sys/fs/cgroup/system.slice/job_3/step_0/memory.max": "max",
            "/sys/fs/cgroup/system.slice/job_3/step_0/memory.current": "400",
            "/sys/fs/cgroup/system.slice/job_3/memory.max": "5000",
            "/sys/fs/cgroup/system.slice/job_3/memory.current": "4200",
            "/sys/fs/cgroup/system.slice/memory.max": "9000",
            "/sys/fs/cgroup/system.slice/memory.current": "4300",
            "/sys/fs/cgroup/system.slice/job_3/step_0/cpu.max": "max 100000",
            "/sys/fs/cgroup/system.slice/job_3/cpu.max": "400000 100000",
            "/sys/fs/cgroup/system.slice/cpu.max": "200000 100000",
        ])
        let memory = try #require(groups.memoryLimit)
        #expect(memory.limit == 5000 && memory.available == 800)
        #expect(memory.group.path == "/system.slice/job_3")
        #expect(groups.processorQuota?.processors == 2)
        #expect(groups.processorQuota?.group.path == "/system.slice")
        _ = tree
    }

    @Test("cached files, which the kernel drops when it needs to, are not in use")
    func cache() throws {
        let (groups, tree) = try groups([
            "/proc/self/cgroup": "0::/job", "/proc/self/mountinfo": Mounts.unified,
            "/sys/fs/cgroup/job/memory.max": "10000", "/sys/fs/cgroup/job/memory.current": "9000",
            "/sys/fs/cgroup/job/memory.stat":
                "anon 2000\nfile 6500\nshmem 500\ninactive_file 4000\nactive_file 2000\nslab_reclaimable 300",
        ])
        #expect(groups.memoryLimit?.available == 10000 - (9000 - 6300))
        _ = tree
    }

    @Test("above memory.high processes stand still, so it is a limit")
    func high() throws {
        let (groups, tree) = try groups([
            "/proc/self/cgroup": "0::/job", "/proc/self/mountinfo": Mounts.unified,
            "/sys/fs/cgroup/job/memory.max": "max", "/sys/fs/cgroup/job/memory.high": "7000",
            "/sys/fs/cgroup/job/memory.current": "1000",
        ])
        #expect(groups.memoryLimit?.available == 6000)
        _ = tree
    }

    @Test("Slurm's groups of version 1, each controller in a hierarchy of its own")
    func slurm() throws {
        let job = "/slurm/uid_0/job_3"
        let (groups, tree) = try groups([
            "/proc/self/cgroup":
                "11:cpuset:\(job)/step_0\n7:cpu,cpuacct:/\n4:memory:\(job)/step_0\n1:name=systemd:/x\n0::/ignored",
            "/proc/self/mountinfo": Mounts.version1,
            "/sys/fs/cgroup/memory\(job)/step_0/memory.limit_in_bytes": "9223372036854771712",
            "/sys/fs/cgroup/memory\(job)/step_0/memory.usage_in_bytes": "100",
            "/sys/fs/cgroup/memory\(job)/memory.limit_in_bytes": "8000",
            "/sys/fs/cgroup/memory\(job)/memory.usage_in_bytes": "3000",
            "/sys/fs/cgroup/memory\(job)/memory.stat": "cache 900\ntotal_inactive_file 600\ntotal_active_file 200",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
            "/sys/fs/cgroup/cpuset\(job)/step_0/cpuset.cpus": "0-1,4",
        ])
        let memory = try #require(groups.memoryLimit)
        #expect(memory.limit == 8000 && memory.available == 8000 - 2200 && memory.group.path == job)
        #expect(groups.processorQuota == nil)
        #expect(groups.processors == [0, 1, 4])
        _ = tree
    }

    @Test("a quota of version 1")
    func quota() throws {
        let (groups, tree) = try groups([
            "/proc/self/cgroup": "7:cpu,cpuacct:/docker/abc/inner", "/proc/self/mountinfo": Mounts.version1,
            "/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "250000",
            "/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000",
        ])
        #expect(groups.processorQuota?.processors == 2.5)
        #expect(groups.processorQuota?.group.path == "/docker/abc")
        _ = tree
    }

    @Test("a container without a namespace of groups has but its own part mounted")
    func partOfAHierarchy() throws {
        let mount = "33 25 0:28 /docker/abc /sys/fs/cgroup/memory\\040here ro - cgroup cgroup rw,memory"
        let (groups, tree) = try groups([
            "/proc/self/cgroup": "4:memory:/docker/abc/inner", "/proc/self/mountinfo": mount,
            "/sys/fs/cgroup/memory here/inner/memory.limit_in_bytes": "700",
            "/sys/fs/cgroup/memory here/memory.limit_in_bytes": "500",
        ])
        #expect(groups.memoryLimit?.limit == 500 && groups.memoryLimit?.group.path == "/docker/abc")
        _ = tree
    }

    @Test("both versions side by side, version 2 without controllers")
    func hybrid() throws {
        let unified = "41 25 0:36 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"
        let (groups, tree) = try groups([
            "/proc/self/cgroup": "4:memory:/a\n0::/a", "/proc/self/mountinfo": Mounts.version1 + "\n" + unified,
            "/sys/fs/cgroup/memory/a/memory.limit_in_bytes": "1234",
            "/sys/fs/cgroup/unified/a/cgroup.procs": "1",
        ])
        #expect(groups.memoryLimit?.available == 1234)
        #expect(groups.processors == nil)
        _ = tree
    }

    @Test(
        "no limits where files are absent or not understood",
        arguments: [
            [:], ["/proc/self/cgroup": "0::/a"],
            ["/proc/self/cgroup": "nonsense\n0::/../../elsewhere", "/proc/self/mountinfo": Mounts.unified],
            [
                "/proc/self/cgroup": "0::/a", "/proc/self/mountinfo": "also - nonsense\n" + Mounts.unified,
                "/sys/fs/cgroup/a/memory.max": "lots", "/sys/fs/cgroup/a/cpu.max": "100000 0",
                "/sys/fs/cgroup/a/cpuset.cpus.effective": "",
            ],
        ])
    func absent(files: [String: String]) throws {
        let (groups, tree) = try groups(files)
        #expect(groups.memoryLimit == nil && groups.processorQuota == nil && groups.processors == nil)
        _ = tree
    }
}
