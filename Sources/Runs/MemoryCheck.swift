package import Communication
import Foundation
package import Host
package import Tensors

/// A run that does not fit. Every rank throws it alike.
package struct MemoryError: CollectiveError {
    package let description: String
}

/// Compares what all ranks of a host need together with what the host, their control groups and their own limits leave
/// them, before any of it is asked for.
package struct MemoryCheck {
    /// What makes a run smaller and is not in use yet.
    package struct Remedies: OptionSet, Codable, Sendable {
        package let rawValue: Int
        package init(rawValue: Int) { self.rawValue = rawValue }

        /// --batch-size and --accum-iter.
        package static let microBatches = Remedies(rawValue: 1)
        /// --recompute-activations.
        package static let recomputing = Remedies(rawValue: 2)
        /// --shard-optimizer.
        package static let sharding = Remedies(rawValue: 4)
        /// --batch-size alone.
        package static let batchSize = Remedies(rawValue: 8)
    }

    /// What one rank needs, and what it knows of limits.
    package struct Need: Codable, Sendable {
        package var host: String
        /// What the rank needs, in bytes by purpose.
        package var bytes: [String: Int]
        /// What of it the rank holds already, so that it is missing from what is left.
        package var held: Int
        package var limits: [HostMemory.Limit]

        package init(host: String, bytes: [String: Int], held: Int, limits: [HostMemory.Limit]) {
            self.host = host
            self.bytes = bytes
            self.held = held
            self.limits = limits
        }

        /// What exceeds all counting is as much as can be counted.
        var total: Double { bytes.values.reduce(0) { $0 + Double($1) } }
    }

    /// Throws on all ranks if the plans of some ranks that share a limit do not fit into it. Collective.
    ///
    /// - Parameters:
    ///   - plan: of this rank; ranks' plans may differ.
    ///   - held: bytes of the plan that this rank has in memory already, such as its images.
    package static func run(
        _ plan: MemoryPlan, held: Int = 0, remedies: Remedies, in world: any Communicator
    ) throws {
        let purposes = MemoryPlan.Purpose.allCases.map { ($0.rawValue, plan.bytes(for: $0)) }.filter { $0.1 > 0 }
        let need = Need(
            host: HostName.current, bytes: Dictionary(uniqueKeysWithValues: purposes), held: held,
            limits: HostMemory().limits)
        let needs = try world.allGather([UInt8](JSONEncoder().encode(need))).map {
            try JSONDecoder().decode(Need.self, from: Data($0))
        }
        if let objection = objection(to: needs, remedies: remedies) { throw MemoryError(description: objection) }
    }

    /// Throws on all ranks if `estimate`, which is less than any plan of the run, is far beyond what some rank can have.
    /// That is not laid out, since laying out takes time and memory which grow with the model. Collective.
    package static func refuse(_ estimate: MemoryEstimate, in world: any Communicator) throws {
        let available = Double(HostMemory().limits.map(\.available).min() ?? 0)
        // 16 TiB need some hundred megabytes to be laid out.
        let most = available > 0 ? min(64 * available, max(available, exp2(44))) : exp2(44)
        try world.agree {
            guard estimate.bytes > most else { return }
            let left = available > 0 ? ", and \(MemoryReport.amount(available)) are left" : ""
            throw MemoryError(
                description: "this run needs more than \(MemoryReport.amount(estimate.bytes)) of memory in each rank "
                    + "(\(estimate.text))\(left): choose a smaller "
                    + (estimate.activations > estimate.parameters ? "--batch-size or --input-size" : "--model"))
        }
    }

    /// Why the ranks cannot have what they need, of the limit that is exceeded most; nil if they can.
    package static func objection(to needs: [Need], remedies: Remedies) -> String? {
        /// Ranks and a limit that they share.
        struct Share: Hashable {
            let host: String
            let scope: HostMemory.Scope
            let name: String
            /// The rank whose process has the limit; nil for limits that ranks share.
            let rank: Int?
        }
        var members: [Share: [(rank: Int, limit: HostMemory.Limit)]] = [:]
        for (rank, need) in needs.enumerated() {
            for limit in need.limits {
                let share = Share(
                    host: need.host, scope: limit.scope, name: limit.name, rank: limit.scope == .process ? rank : nil)
                members[share, default: []].append((rank, limit))
            }
        }
        let exceeded = members.values.compactMap { ranks -> (ratio: Double, ranks: [Int], limit: HostMemory.Limit)? in
            guard let tightest = ranks.min(by: { $0.limit.available < $1.limit.available })?.limit else { return nil }
            let needed = ranks.reduce(0) { $0 + needs[$1.rank].total }
            let held = ranks.reduce(0) { $0 + needs[$1.rank].held }
            let available = Double(tightest.available) + Double(held)
            guard needed > available else { return nil }
            let limit = HostMemory.Limit(
                scope: tightest.scope, available: tightest.available + held, name: tightest.name,
                total: tightest.total)
            return (needed / max(available, 1), ranks.map(\.rank), limit)
        }
        let worst = exceeded.max { ($0.ratio, $1.ranks[0]) < ($1.ratio, $0.ranks[0]) }
        return worst.map { text(needs, ranks: $0.ranks, $0.limit, remedies) }
    }

    private static func text(
        _ needs: [Need], ranks: [Int], _ limit: HostMemory.Limit, _ remedies: Remedies
    ) -> String {
        let parts = MemoryPlan.Purpose.allCases.map { purpose in
            (purpose, ranks.reduce(0) { $0 + Double(needs[$1].bytes[purpose.rawValue] ?? 0) })
        }
        let needed = ranks.reduce(0) { $0 + needs[$1].total }
        let host = Set(needs.map(\.host)).count > 1 ? " on \(needs[ranks[0]].host)" : ""
        let place =
            limit.scope == .process && needs.count > 1
            ? " in rank \(ranks[0])" : " in \(counted(ranks.count, "rank"))"
        let named = parts.filter { $0.1 > 0 }.sorted { $0.1 > $1.1 }
            .map { "\($0.0.rawValue) \(MemoryReport.amount($0.1))" }
        let left: String
        switch (limit.scope, limit.total) {
        case (.host, _), (_, nil): left = "\(limit.name) has \(MemoryReport.amount(limit.available)) left"
        case (_, let total?):
            left =
                "\(limit.name) leaves \(MemoryReport.amount(limit.available)) of \(MemoryReport.amount(total))"
        }
        return "this run needs \(MemoryReport.amount(needed)) of memory\(place)\(host) ("
            + named.joined(separator: ", ") + "), and \(left): "
            + advice(Dictionary(uniqueKeysWithValues: parts), ranks: ranks.count, remedies)
    }

    /// What helps against the largest part.
    private static func advice(
        _ parts: [MemoryPlan.Purpose: Double], ranks: Int, _ remedies: Remedies
    ) -> String {
        func sum(_ purposes: MemoryPlan.Purpose...) -> Double { purposes.reduce(0) { $0 + (parts[$1] ?? 0) } }
        let ofImages = sum(.activations, .workspace, .batches)
        let ofWeights = sum(.weights, .gradients, .moments, .saving, .exchange)
        var advice: [String] = []
        if ofImages > ofWeights && ofImages > sum(.data) {
            if remedies.contains(.microBatches) { advice.append("lower --batch-size and raise --accum-iter") }
            if remedies.contains(.batchSize) { advice.append("lower --batch-size") }
            if remedies.contains(.recomputing) { advice.append("use --recompute-activations") }
        } else {
            if remedies.contains(.sharding) && ofWeights > sum(.data) { advice.append("use --shard-optimizer") }
            if ranks > 1 { advice.append("start fewer ranks here with more --threads each") }
        }
        return advice.isEmpty ? "choose a smaller --model, or a host with more" : advice.joined(separator: ", or ")
    }
}
