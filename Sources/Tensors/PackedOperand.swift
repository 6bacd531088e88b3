internal import CVectorKernels

/// The second factor B [K, N] of a product in the order in which the product reads it. Made once per update of the
/// weights, used in every product with them.
package struct PackedOperand: Sendable {
    package let element: ElementType
    package let rows: Int
    package let columns: Int
    private let units: MatrixView<UInt32>

    package init(_ name: String, rows: Int, columns: Int, _ element: ElementType, plan: MemoryPlan) {
        self.element = element
        self.rows = rows
        self.columns = columns
        let bytes = umae_packed_bytes(umae_type(element.kernelCode), rows, columns)
        units = plan.view(.weights, "\(name), packed", rows: 1, columns: bytes / MemoryLayout<UInt32>.stride)
    }

    package var pointer: UnsafeRawPointer { unsafe UnsafeRawPointer(units.pointer) }

    /// Where packed columns from `column` on begin; a multiple of 64.
    package func pointer(toColumn column: Int) -> UnsafeRawPointer {
        let depth = element == .bfloat16 ? (rows + 1) / 2 : rows
        return unsafe pointer + depth * column * MemoryLayout<UInt32>.stride
    }

    /// Packs B, or its transpose [N, K]. Every member of a team calls it.
    package func pack(_ b: Matrix, transposed: Bool, by member: TeamMember) {
        precondition((transposed ? b.columns : b.rows) == rows && (transposed ? b.rows : b.columns) == columns)
        member.forEachChunk(of: columns, multipleOf: 64) { range in
            unsafe umae_pack(
                umae_type(element.kernelCode), b.pointer, b.stride, transposed, rows, range.lowerBound, range.count,
                units.pointer)
        }
    }
}
