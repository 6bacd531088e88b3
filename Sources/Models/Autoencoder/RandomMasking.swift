package import Tensors

/// Per-image random masking by sorting noise (facebookresearch/mae `random_masking`). N images, L patches, K kept.
///
/// An image may be masked in several ways. Each of these views has a row, as an image of its own has: first a view of every
/// image, then another of every image, and so on.
package struct RandomMasking: Sendable {
    /// [N, L]: the patches with the smallest noise are kept.
    package let noise: Matrix
    /// [N, L]: 0 keep, 1 remove.
    package let mask: Matrix
    /// [N, L]: the patches in ascending order of noise, so that the kept ones come first.
    package let idsShuffle: IndexMatrix
    /// [N, L]: where each patch stands in that order.
    package let idsRestore: IndexMatrix
    package let keptPatches: Int

    package init(images: Int, configuration: MaskedAutoencoderConfiguration, plan: MemoryPlan) {
        let patches = configuration.encoder.patches
        keptPatches = configuration.keptPatches
        noise = plan.matrix(.batches, "masking noise", rows: images, columns: patches)
        mask = plan.matrix(.batches, "mask", rows: images, columns: patches)
        idsShuffle = plan.indices(.batches, "idsShuffle", rows: images, columns: patches)
        idsRestore = plan.indices(.batches, "idsRestore", rows: images, columns: patches)
    }

    /// [N, K]: the kept patches.
    package var idsKeep: IndexMatrix { idsShuffle.columns(0..<keptPatches) }
    /// [N, L - K]: the masked patches, in the order of the decoder's mask tokens.
    package var idsMask: IndexMatrix { idsShuffle.columns(keptPatches..<idsShuffle.columns) }

    /// The row of a position table that belongs to a token of an image, where tokens stand in ascending order of noise
    /// behind the class token.
    func position(ofToken token: Int, of image: Int) -> Int { token == 0 ? 0 : 1 + Int(idsShuffle[image, token - 1]) }

    /// Draws the noise that belongs to each of `samples`, then sorts.
    ///
    /// - Parameters:
    ///   - samples: [N, 1], or [N / M, 1] where each has M views.
    ///   - images: only these rows; all if nil.
    package func draw(seed: UInt64, epoch: Int, samples: MatrixView<Int>, images: Range<Int>? = nil) {
        precondition(samples.rows > 0 && noise.rows.isMultiple(of: samples.rows))
        let images = images ?? 0..<noise.rows
        for row in images {
            let (view, sample) = (row / samples.rows, samples[row % samples.rows, 0])
            // All views have numbers of one stream; each begins in a block of its own.
            var random = SampleRandom(
                seed: seed, epoch: epoch, sample: sample, purpose: .masking,
                firstBlock: view * ((noise.columns + 3) / 4))
            noise.rows(row..<row + 1).withMutableElements { values in
                for index in values.indices { values[index] = random.uniform() }
            }
        }
        sortNoise(of: images)
    }

    /// Fills everything from `noise`. Equal noise keeps the order of the patches.
    package func sortNoise(of images: Range<Int>? = nil) {
        for image in images ?? 0..<noise.rows {
            let order = idsShuffle.rows(image..<image + 1)
            noise.rows(image..<image + 1).withElements { keys in
                order.withMutableElements { order in
                    for index in order.indices { order[index] = Int32(index) }
                    heapSort(&order, by: keys)
                }
            }
            for place in 0..<order.columns {
                let patch = order[0, place]
                idsRestore[image, Int(patch)] = Int32(place)
                mask[image, Int(patch)] = place < keptPatches ? 0 : 1
            }
        }
    }
}

/// Sorts indices by ascending key, then index. In place: the standard library's sort allocates.
private func heapSort(_ order: inout MutableSpan<Int32>, by keys: Span<Float>) {
    func precedes(_ a: Int32, _ b: Int32) -> Bool {
        let (x, y) = (keys[Int(a)], keys[Int(b)])
        return x < y || (!(y < x) && a < b)
    }
    func sift(_ order: inout MutableSpan<Int32>, from root: Int, below end: Int) {
        var root = root
        while 2 * root + 1 < end {
            var child = 2 * root + 1
            if child + 1 < end && precedes(order[child], order[child + 1]) { child += 1 }
            guard precedes(order[root], order[child]) else { return }
            order.swapAt(root, child)
            root = child
        }
    }
    for root in stride(from: order.count / 2 - 1, through: 0, by: -1) { sift(&order, from: root, below: order.count) }
    for end in stride(from: order.count - 1, to: 0, by: -1) {
        order.swapAt(0, end)
        sift(&order, from: 0, below: end)
    }
}
