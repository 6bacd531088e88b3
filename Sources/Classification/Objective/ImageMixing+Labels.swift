package import ImageData
package import Tensors

extension ImageMixing: BatchMixing {
    package func mix(_ batch: Batch, _ labels: MixedLabels, by member: TeamMember) {
        mix(batch, labels: labels.first, partners: labels.second, weights: labels.weight, by: member)
    }
}
