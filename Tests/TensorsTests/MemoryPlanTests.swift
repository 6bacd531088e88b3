import Tensors
import Testing

@Suite("Memory plans")
struct MemoryPlanTests {
    @Test("the largest kind takes the same tensor of all blocks together")
    func largest() throws {
        let plan = MemoryPlan(isBacked: false)
        plan.add(.activations, "blocks.0.mlp.fc1", bytes: 30)
        plan.add(.activations, "blocks.11.mlp.fc1", bytes: 40)
        plan.add(.activations, "blocks.0.attn.qkv", bytes: 50)
        plan.add(.workspace, "scratch of thread 0", bytes: 5)
        plan.add(.workspace, "scratch of thread 1", bytes: 5)
        plan.add(.workspace, "sums over rows", bytes: 9)
        plan.add(.weights, "parameters", bytes: 8)
        #expect(try #require(plan.largest(for: .activations)) == ("blocks.*.mlp.fc1", 70))
        #expect(try #require(plan.largest(for: .workspace)) == ("scratch of thread *", 10))
        // One kind is the whole, and has no line of its own.
        #expect(plan.largest(for: .weights) == nil)
        #expect(plan.largest(for: .moments) == nil)
    }
}
