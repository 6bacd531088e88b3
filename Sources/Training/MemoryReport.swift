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
