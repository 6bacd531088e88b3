package import Communication
package import Tensors

/// Whether all ranks still hold the same parameters, bit for bit.
package enum ReplicaCheck {
    /// Throws on all ranks if parameters differ, and names the ranks that are not with the majority. Collective.
    package static func verify(_ values: Matrix, step: Int, _ communicator: any Communicator) throws {
        guard communicator.size > 1 else { return }
        let sum = checksum(values)
        let sums = try communicator.allGather((0..<8).map { UInt8(truncatingIfNeeded: sum >> UInt64(8 * $0)) })
        var groups: [[UInt8]: [Int]] = [:]
        for (rank, bytes) in sums.enumerated() { groups[bytes, default: []].append(rank) }
        guard groups.count > 1 else { return }
        let majority = groups.values.max { ($0.count, -$0[0]) < ($1.count, -$1[0]) } ?? []
        let others = (0..<communicator.size).filter { !majority.contains($0) }
        throw ReplicaError(
            description:
                "parameters of rank \(others.map(String.init).joined(separator: ", ")) differ from those of rank "
                + "\(majority.map(String.init).joined(separator: ", ")) at step \(step): a rank computed or received "
                + "something else; --resume auto goes on from the last checkpoint")
    }

    /// A hash of the bits and of their order.
    package static func checksum(_ values: Matrix) -> UInt64 {
        precondition(values.isContiguous)
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        values.withElements { elements in
            for index in elements.indices {
                hash = (hash ^ UInt64(elements[index].bitPattern)) &* 0x0000_0100_0000_01b3
            }
        }
        return hash
    }
}

/// Replicas that have drifted apart.
package struct ReplicaError: CollectiveError {
    package let description: String
}
