import Testing
import Runs

@Suite("Threads of each rank, and what is said where ranks and cores do not fit")
struct ProcessorAffinityTests {
    private typealias Share = ProcessorAffinity.Share

    private func shares(
        _ cores: [Set<Int>], hostCores: Int, quota: Int? = nil, host: String = "a"
    ) -> [Share] {
        cores.map {
            Share(host: host, cores: $0, quotaGroup: quota.map { _ in "/job" }, quota: quota, hostCores: hostCores)
        }
    }

    @Test("cores are divided among the ranks that may use them")
    func divided() {
        let all = Set(0..<16)
        #expect(ProcessorAffinity.threads(of: 1, among: shares([all, all, all], hostCores: 16)) == 5)
        #expect(ProcessorAffinity.threads(of: 0, among: shares([[0, 1], [2, 3]], hostCores: 16)) == 2)
        // Other hosts' cores have the same numbers.
        let both = shares([all], hostCores: 16) + shares([all], hostCores: 16, host: "b")
        #expect(ProcessorAffinity.threads(of: 1, among: both) == 16)
        #expect(ProcessorAffinity.threads(of: 0, among: shares([[], []], hostCores: 1)) == 1)
    }

    @Test("a quota of processor time is divided among the ranks of its group")
    func quota() {
        let all = Set(0..<16)
        #expect(ProcessorAffinity.threads(of: 0, among: shares([all], hostCores: 4, quota: 4)) == 4)
        #expect(ProcessorAffinity.threads(of: 0, among: shares([all, all], hostCores: 4, quota: 4)) == 2)
        #expect(
            ProcessorAffinity.threads(of: 0, among: shares(Array(repeating: all, count: 8), hostCores: 4, quota: 4))
                == 1)
        let bound = (0..<4).map { Set([$0]) }
        #expect(ProcessorAffinity.threads(of: 0, among: shares(bound, hostCores: 16, quota: 16)) == 1)
    }

    @Test("cores that mpirun's binding leaves idle are named")
    func bound() throws {
        let notices = ProcessorAffinity.notices(threads: 1, among: shares([[0], [1]], hostCores: 16))
        #expect(notices.count == 1)
        for word in ["2 ranks × 1 thread ", "2 of the 16 cores", "--map-by slot:PE=8", "--bind-to none"] {
            #expect(notices.first?.contains(word) == true, "\(notices)")
        }
        // Threads asked for by hand, on one core each.
        let crowded = ProcessorAffinity.notices(threads: 4, among: shares([[0], [1]], hostCores: 8))
        #expect(crowded.first?.contains("2 of the 8 cores") == true, "\(crowded)")
    }

    @Test("more threads than cores are named, but not ranks of one thread, which share cores well")
    func crowded() {
        let both = Set([0, 1])
        func notices(_ ranks: Int, threads: Int) -> [String] {
            ProcessorAffinity.notices(
                threads: threads, among: shares(Array(repeating: both, count: ranks), hostCores: 2))
        }
        let said = notices(2, threads: 4)
        #expect(said.count == 1 && said[0].contains("2 ranks × 4 threads share 2 cores"), "\(said)")
        #expect(said.first?.contains("--threads 1 fits") == true, "\(said)")
        #expect(notices(8, threads: 1).isEmpty)
    }

    @Test("nothing is said where all cores are used, or left to somebody else on purpose")
    func silent() {
        let all = Set(0..<8)
        #expect(ProcessorAffinity.notices(threads: 4, among: shares([all, all], hostCores: 8)).isEmpty)
        #expect(ProcessorAffinity.notices(threads: 1, among: shares([all, all], hostCores: 8)).isEmpty)
        #expect(
            ProcessorAffinity.notices(threads: 4, among: shares([[0, 1, 2, 3], [4, 5, 6, 7]], hostCores: 8)).isEmpty)
    }
}
