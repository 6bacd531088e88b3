import Foundation
package import Tensors

/// A memory plan as text: what each purpose takes, and the tensors that take most of it.
package enum MemoryReport {
    package static func lines(_ plan: MemoryPlan) -> [String] {
        func line(_ name: String, _ bytes: Int) -> String { "  " + name.padded(12) + mebibytes(bytes) }
        let parts = MemoryPlan.Purpose.allCases.filter { plan.bytes(for: $0) > 0 }.map { purpose in
            let largest = plan.largest(for: purpose).map { "  of it \(amount($0.bytes)) \($0.kind)" }
            return line(purpose.rawValue, plan.bytes(for: purpose)) + (largest ?? "")
        }
        return parts + [line("total", plan.totalBytes)]
    }

    /// Bytes as MiB, in a width that suits a column.
    package static func mebibytes(_ bytes: Int) -> String {
        String(format: "%10.1f MiB", Double(bytes) / Double(1 << 20))
    }

    /// Bytes in the unit that suits a sentence.
    package static func amount(_ bytes: Double) -> String {
        let units = [("EiB", 60.0), ("PiB", 50), ("TiB", 40), ("GiB", 30), ("MiB", 20)]
        let (unit, power) = units.first { bytes >= exp2($0.1) } ?? ("MiB", 20)
        return String(format: "%.1f %@", bytes / exp2(power), unit)
    }

    package static func amount(_ bytes: Int) -> String { amount(Double(bytes)) }
}

extension String {
    /// Filled up with spaces to the width of a column.
    package func padded(_ width: Int) -> String {
        count >= width ? self + " " : self + String(repeating: " ", count: width - count)
    }
}
