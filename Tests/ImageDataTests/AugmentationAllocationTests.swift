import AllocationCounter
import Augmentation
import ImageArrays
import ImageCodecs
import ImageData
import ImageSources
import Tensors
import TestSupport
import Testing

/// Without optimisation some closures are allocated.
private let isOptimized: Bool = {
    #if DEBUG
        false
    #else
        true
    #endif
}()

@Suite("Augmentation allocates nothing in the steady state", .enabled(if: isOptimized))
struct AugmentationAllocationTests {
    fileprivate static let size = ImageSize(height: 12, width: 10)

    /// Of several runs the one with the fewest: other threads of the process may allocate now and then, not every time.
    fileprivate static func fewestAllocations(_ body: () throws -> Void) rethrows -> Int {
        var fewest = Int.max
        for _ in 0..<20 {
            let before = allocation_count()
            try body()
            fewest = min(fewest, allocation_count() - before)
        }
        return fewest
    }

    @Test("an image whose bytes are changed and part of which is erased")
    func images() async {
        await #expect(processExitsWith: .success) {
            let source = try ImageDataset.open(
                path: "synthetic", split: .train,
                synthetic: SyntheticImageParameters(count: 40, size: ImageSize(height: 24, width: 20)))
            for bytes in [ByteAugmentation.randAugment(RandAugment(layers: 12)), .jitter(ColorJitter(strength: 0.4))] {
                let transform = ImageTransform(
                    size: AugmentationAllocationTests.size, statistics: ImageTransformTests.statistics,
                    augmentation: TrainingAugmentation(
                        .crop(RandomResizedCrop()), bytes: bytes, erasing: RandomErasing(probability: 1, count: 3)))
                let row = Matrix(rows: 1, columns: transform.elementCount)
                let workspace = AugmentationWorkspace()
                let allocations = try AugmentationAllocationTests.fewestAllocations {
                    for index in 0..<40 {
                        try transform.prepare(source, index: index, seed: 1, epoch: 0, workspace: workspace, into: row)
                    }
                }
                #expect(allocations == 0)
            }
        }
    }

    @Test("the images of a micro-batch that are mixed")
    func mixing() async {
        await #expect(processExitsWith: .success) {
            let batch = Batch(
                images: Matrix(rows: 6, columns: AugmentationAllocationTests.size.pixels),
                samples: MatrixView(rows: 6, columns: 1, values: [3, 1, 4, 15, 9, 2]), micro: 0)
            let (labels, partners) = (IndexMatrix(rows: 6, columns: 1), IndexMatrix(rows: 6, columns: 1))
            let weights = Matrix(rows: 6, columns: 1)
            for mode in Mixing.Mode.allCases {
                let mixing = ImageMixing(
                    Mixing(mixupAlpha: 0.8, cutmixAlpha: 1, mode: mode), size: AugmentationAllocationTests.size, seed: 1
                )
                let member = TeamMember.alone
                #expect(
                    AugmentationAllocationTests.fewestAllocations {
                        for _ in 0..<10 {
                            mixing.mix(batch, labels: labels, partners: partners, weights: weights, by: member)
                        }
                    } == 0)
            }
        }
    }
}
