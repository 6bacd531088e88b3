import Foundation
package import Tensors

/// A memory plan as text.
package enum MemoryReport {
    package static func lines(_ plan: MemoryPlan) -> [String] {
        let parts = MemoryPlan.Purpose.allCases.map { ($0.rawValue, plan.bytes(for: $0)) }.filter { $0.1 > 0 }
        return (parts + [("total", plan.totalBytes)]).map { name, bytes in
            "  " + name.padded(14) + mebibytes(bytes)
        }
    }

    package static func mebibytes(_ bytes: Int) -> String {
        String(format: "%10.1f MiB", Double(bytes) / Double(1 << 20))
    }
}

extension MemoryReport {
    /// Throws if the ranks of this host would need more memory than it has left, before any of it is touched.
    package static func check(_ plan: MemoryPlan, localRanks: Int) throws {
        guard let available = availableBytes() else { return }
        let needed = plan.totalBytes * localRanks
        guard needed > available else { return }
        let parts = MemoryPlan.Purpose.allCases.map { ($0.rawValue, plan.bytes(for: $0)) }.filter { $0.1 > 0 }
            .map { "\($0) \(mebibytes($1).trimmed)" }.joined(separator: ", ")
        throw MemoryError(
            description: "this run needs \(mebibytes(needed).trimmed) of memory (\(localRanks) ranks × "
                + "\(mebibytes(plan.totalBytes).trimmed): \(parts)), this host has \(mebibytes(available).trimmed) "
                + "left: lower --batch-size and raise --accum-iter, or use --recompute-activations")
    }

    /// MemAvailable of /proc/meminfo, or less if a control group limits this process.
    static func availableBytes() -> Int? {
        let meminfo = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? ""
        let line = meminfo.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
        let kibibytes = line.flatMap { $0.split(separator: " ").dropFirst().first }.flatMap { Int($0) }
        let limit = (try? String(contentsOfFile: "/sys/fs/cgroup/memory.max", encoding: .utf8))
            .flatMap { Int($0.trimmed) }
        return [kibibytes.map { $0 << 10 }, limit].compactMap { $0 }.min()
    }
}

/// A run that does not fit.
package struct MemoryError: Error, CustomStringConvertible {
    package let description: String
}

extension String {
    fileprivate var trimmed: String { trimmingCharacters(in: .whitespacesAndNewlines) }
}
