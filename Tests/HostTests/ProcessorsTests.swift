import Host
import Testing

@Suite("Processors: physical cores, what is allowed, quotas")
struct ProcessorsTests {
    /// Two hardware threads on each of `cores` cores, numbered as Intel's usually are: 0 and 4 are one core.
    private func siblings(cores: Int) -> [String: String] {
        var files = ["/sys/devices/system/cpu/online": "0-\(2 * cores - 1)"]
        for cpu in 0..<2 * cores {
            files["/sys/devices/system/cpu/cpu\(cpu)/topology/thread_siblings_list"] =
                "\(cpu % cores),\(cpu % cores + cores)"
        }
        return files
    }

    @Test("hardware threads of one core are one")
    func hardwareThreads() throws {
        let tree = try FileTree(siblings(cores: 4))
        let all = Processors(root: tree.root, allowed: Set(0..<8))
        #expect(all.cores == [0, 1, 2, 3] && all.hostCores == [0, 1, 2, 3] && all.hostCapacity == 4)
        let bound = Processors(root: tree.root, allowed: [5])
        #expect(bound.cores == [1] && bound.hostCores.count == 4)
    }

    @Test("the list of the control group limits what there is for all ranks of the host")
    func set() throws {
        var files = siblings(cores: 4)
        files["/proc/self/cgroup"] = "0::/job"
        files["/proc/self/mountinfo"] = Mounts.unified
        files["/sys/fs/cgroup/job/cpuset.cpus.effective"] = "0-1,4-5"
        let tree = try FileTree(files)
        let processors = Processors(root: tree.root, allowed: [1])
        #expect(processors.cores == [1] && processors.hostCores == [0, 1])
    }

    @Test("a quota is worth that many cores, a part of one included")
    func quota() throws {
        var files = siblings(cores: 4)
        files["/proc/self/cgroup"] = "0::/"
        files["/proc/self/mountinfo"] = Mounts.unified
        files["/sys/fs/cgroup/cpu.max"] = "150000 100000"
        let tree = try FileTree(files)
        #expect(Processors(root: tree.root, allowed: Set(0..<8)).hostCapacity == 2)
    }

    @Test("without topology every processor is a core")
    func noTopology() throws {
        let tree = try FileTree(["/sys/devices/system/cpu/online": "0-2"])
        #expect(Processors(root: tree.root, allowed: [0, 2]).cores == [0, 2])
    }

    @Test("this process may run somewhere")
    func here() { #expect(!Processors().cores.isEmpty && Processors().hostCapacity >= 1) }

    @Test(
        "lists as the kernel writes them",
        arguments: [
            ("0-3,8", [0, 1, 2, 3, 8]), ("5\n", [5]), ("", []), ("3-1,x,7", [7]), ("0-99999999999", []),
        ])
    func list(text: String, expected: [Int]) { #expect(ProcessorList.parse(text) == Set(expected)) }
}
