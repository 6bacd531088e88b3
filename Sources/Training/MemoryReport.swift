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

    /// For a column of figures.
    package static func mebibytes(_ bytes: Int) -> String {
        String(format: "%10.1f MiB", Double(bytes) / Double(1 << 20))
    }

    /// For a sentence.
    package static func amount(_ bytes: Double) -> String {
        let units = [("EiB", 60.0), ("PiB", 50), ("TiB", 40), ("GiB", 30), ("MiB", 20)]
        let (unit, power) = units.first { bytes >= exp2($0.1) } ?? ("MiB", 20)
        return String(format: "%.1f %@", bytes / exp2(power), unit)
    }

    package static func amount(_ bytes: Int) -> String { amount(Double(bytes)) }
}
