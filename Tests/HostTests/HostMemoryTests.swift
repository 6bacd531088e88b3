import Host
import Testing

@Suite("Memory that is left: host, control groups, the process's own limits")
struct HostMemoryTests {
    private func limits(_ files: [String: String], addressSpace: Int? = nil, dataSegment: Int? = nil) throws
        -> [HostMemory.Limit]
    {
        let tree = try FileTree(files)
        return HostMemory(root: tree.root, addressSpace: addressSpace, dataSegment: dataSegment).limits
    }

    private let meminfo = """
        MemTotal:       1000 kB
        MemAvailable:    600 kB
        CommitLimit:     900 kB
        Committed_AS:    500 kB
        """

    @Test("what the host can still give")
    func host() throws {
        #expect(
            try limits(["/proc/meminfo": meminfo, "/proc/sys/vm/overcommit_memory": "0"]) == [
                HostMemory.Limit(scope: .host, available: 600 << 10, name: "this host")
            ])
    }

    @Test("under strict accounting promises count, used or not")
    func strict() throws {
        let found = try limits(["/proc/meminfo": meminfo, "/proc/sys/vm/overcommit_memory": "2"])
        #expect(found.map(\.available) == [600 << 10, 400 << 10])
        #expect(found.last?.name.contains("overcommit_memory") == true)
    }

    @Test("the address space that ulimit leaves, and the data segment")
    func resourceLimits() throws {
        let status = "Name:\tumae-dist\nVmSize:\t    2000 kB\nVmData:\t     700 kB"
        let found = try limits(
            ["/proc/self/status": status], addressSpace: 3000 << 10, dataSegment: 500 << 10)
        #expect(found.map(\.scope) == [.process, .process])
        #expect(found.map(\.name) == ["ulimit -v", "ulimit -d"])
        #expect(found.map(\.available) == [1000 << 10, 0])
    }

    @Test("a control group, by its name")
    func group() throws {
        let found = try limits([
            "/proc/self/cgroup": "0::/job_7", "/proc/self/mountinfo": Mounts.unified,
            "/sys/fs/cgroup/job_7/memory.max": "4096",
        ])
        #expect(found.map(\.scope) == [.group("/job_7")] && found[0].name.contains("/job_7"))
    }

    @Test("nothing is known without the files")
    func nothing() throws { #expect(try limits([:]) == []) }

    @Test("this machine tells something")
    func here() {
        #expect(HostMemory().limits.contains { $0.scope == .host && $0.available > 1 << 20 })
    }
}
