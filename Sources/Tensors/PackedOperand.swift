internal import CVectorKernels

/// The second factor B [K, N] of a product in the order in which the product reads it.
package struct PackedOperand: Sendable {
    package let element: ElementType
    package let rows: Int
    package let columns: Int
    private let units: MatrixView<UInt32>

    package init(_ name: String, rows: Int, columns: Int, _ element: ElementType, plan: MemoryPlan) {
        self.init(
            rows: rows, columns: columns, element,
            in: PackingSpace(
                name, bytes: Self.bytes(rows: rows, columns: columns, element), .weights, plan: plan))
    }

    /// Packs into memory that other operands use too, before and after.
    package init(rows: Int, columns: Int, _ element: ElementType, in space: PackingSpace) {
        precondition(Self.bytes(rows: rows, columns: columns, element) <= space.units.byteCount)
        self.element = element
        self.rows = rows
        self.columns = columns
        units = space.units
    }

    package static func bytes(rows: Int, columns: Int, _ element: ElementType) -> Int {
        umae_packed_bytes(umae_type(element.kernelCode), rows, columns)
    }

    package var pointer: UnsafeRawPointer { unsafe UnsafeRawPointer(units.pointer) }

    /// The packed columns from `column` on, which is a multiple of 64.
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

/// Memory for packed operands.
package struct PackingSpace: Sendable {
    fileprivate let units: MatrixView<UInt32>

    package init(_ name: String, bytes: Int, _ purpose: MemoryPlan.Purpose, plan: MemoryPlan) {
        units = plan.view(
            purpose, "\(name), packed", rows: 1, columns: (bytes + 3) / MemoryLayout<UInt32>.stride)
    }
}
