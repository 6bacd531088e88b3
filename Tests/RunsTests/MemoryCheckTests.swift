import Host
import Testing
import Runs

@Suite("Whether the ranks of a host fit, and what is said if not")
struct MemoryCheckTests {
    private func need(
        _ parts: [String: Int], host: String = "a", held: Int = 0, _ limits: HostMemory.Limit...
    ) -> MemoryCheck.Need {
        MemoryCheck.Need(host: host, bytes: parts, held: held, limits: limits)
    }

    private func host(_ available: Int) -> HostMemory.Limit {
        HostMemory.Limit(scope: .host, available: available, name: "this host")
    }

    private let all: MemoryCheck.Remedies = [.microBatches, .recomputing, .sharding]

    @Test("plans of a host's ranks are added up, not one of them multiplied")
    func addedUp() {
        let first = ["weights": 6 << 30, "saving": 4 << 30]
        let other = ["weights": 6 << 30]
        #expect(
            MemoryCheck.objection(to: [need(first, host(16 << 30)), need(other, host(16 << 30))], remedies: []) == nil)
        let objection = MemoryCheck.objection(
            to: [need(first, host(15 << 30)), need(other, host(16 << 30))], remedies: all)
        for part in [
            "16.0 GiB of memory in 2 ranks", "weights 12.0 GiB, saving 4.0 GiB", "this host has 15.0 GiB left",
            "--shard-optimizer", "fewer ranks here with more --threads",
        ] {
            #expect(objection?.contains(part) == true, "\(objection ?? "nil") lacks '\(part)'")
        }
        #expect(objection?.contains("--batch-size") == false)
    }

    @Test("ranks of other hosts do not count, and the host is named")
    func hosts() {
        let small = need(["activations": 6 << 30], host: "b", host(5 << 30))
        let large = need(["activations": 6 << 30], host: "a", host(7 << 30))
        #expect(
            MemoryCheck.objection(to: [large, need(["activations": 6 << 30], host: "b", host(7 << 30))], remedies: [])
                == nil)
        let objection = MemoryCheck.objection(to: [large, small], remedies: all)
        #expect(objection?.contains("6.0 GiB of memory in 1 rank on b") == true, "\(objection ?? "nil")")
        #expect(
            objection?.contains("lower --batch-size and raise --accum-iter, or use --recompute-activations") == true)
    }

    @Test("a control group is shared by its own ranks, and named with its limit")
    func groups() {
        func group(_ name: String) -> HostMemory.Limit {
            HostMemory.Limit(
                scope: .group(name), available: 3 << 30, name: "the control group \(name)", total: 4 << 30)
        }
        let part = ["activations": 2 << 30]
        #expect(MemoryCheck.objection(to: [need(part, group("/j/0")), need(part, group("/j/1"))], remedies: []) == nil)
        let objection = MemoryCheck.objection(to: [need(part, group("/j")), need(part, group("/j"))], remedies: all)
        #expect(objection?.contains("the control group /j leaves 3.0 GiB of 4.0 GiB") == true, "\(objection ?? "nil")")
    }

    @Test("a limit of one process counts that process, and what it holds already")
    func process() {
        func ulimit(_ available: Int) -> HostMemory.Limit {
            HostMemory.Limit(scope: .process, available: available, name: "ulimit -v", total: 3 << 30)
        }
        let part = ["data": 1 << 30, "activations": 1 << 30]
        #expect(
            MemoryCheck.objection(
                to: [need(part, held: 1 << 30, ulimit(1 << 30)), need(part, held: 1 << 30, ulimit(1 << 30))],
                remedies: []) == nil)
        let objection = MemoryCheck.objection(
            to: [need(part, held: 1 << 30, ulimit(1 << 30)), need(part, held: 1 << 30, ulimit(1 << 29))], remedies: all)
        #expect(objection?.contains("in rank 1 (") == true, "\(objection ?? "nil")")
        #expect(objection?.contains("ulimit -v leaves 1.5 GiB of 3.0 GiB") == true, "\(objection ?? "nil")")
    }

    @Test("the limit that is exceeded most is the one named, and a rank alone is not plural")
    func worst() {
        let tight = HostMemory.Limit(
            scope: .group("/j"), available: 1 << 30, name: "the control group /j", total: 1 << 30)
        let objection = MemoryCheck.objection(to: [need(["weights": 4 << 30], host(3 << 30), tight)], remedies: all)
        #expect(
            objection?.contains("in 1 rank (weights 4.0 GiB), and the control group /j") == true,
            "\(objection ?? "nil")")
        #expect(objection?.contains("fewer ranks") == false)
    }

    @Test("sizes beyond counting are too much, not a trap")
    func enormous() {
        let objection = MemoryCheck.objection(
            to: [need(["weights": .max, "moments": .max], host(1 << 40)), need(["weights": .max], host(1 << 40))],
            remedies: [])
        #expect(objection?.contains("EiB") == true, "\(objection ?? "nil")")
    }

    @Test("nothing is refused where nothing is known")
    func unknown() { #expect(MemoryCheck.objection(to: [need(["weights": .max])], remedies: []) == nil) }
}
