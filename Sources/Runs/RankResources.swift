package import Communication
package import Tensors

/// What a rank computes with: the other ranks, its threads, and its memory.
package struct RankResources {
    package let communicator: any Communicator
    package let team: Team
    package let memory: MemoryPlan

    package init(_ communicator: any Communicator, _ team: Team, memory: MemoryPlan = MemoryPlan()) {
        self.communicator = communicator
        self.team = team
        self.memory = memory
    }

    /// The same without any memory: what is made with it is only counted.
    package var counting: RankResources { RankResources(communicator, team, memory: MemoryPlan(isBacked: false)) }
}
