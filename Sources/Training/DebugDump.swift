internal import Checkpoints
package import Communication
internal import DataParallel
internal import Layers
package import Models
package import Tensors

/// One forward and backward pass over a given batch with given weights, everything written to a file: what another
/// implementation is compared with.
package struct DebugDump {
    package let model: MaskedAutoencoderConfiguration
    package let loss: LossConfiguration
    package let precision: ElementType
    package let weightsPath: String
    package let batchPath: String
    package let dumpPath: String

    package init(
        model: MaskedAutoencoderConfiguration, loss: LossConfiguration, precision: ElementType, weightsPath: String,
        batchPath: String, dumpPath: String
    ) {
        self.model = model
        self.loss = loss
        self.precision = precision
        self.weightsPath = weightsPath
        self.batchPath = batchPath
        self.dumpPath = dumpPath
    }

    /// The losses of the global batch.
    package struct Losses: Sendable {
        package let total: Double
        package let reconstruction: Double
        package let uniformity: Double
    }

    /// Splits the batch over the ranks; rank 0 writes the dump in global order. Collective.
    package func run(communicator: any Communicator, team: Team) throws -> Losses {
        let plan = MemoryPlan()
        let (file, total) = try communicator.agree {
            try model.validate()
            let file = try SafetensorsFile(path: batchPath)
            return (file, try batchSize(of: file, ranks: communicator.size))
        }
        let counts = RowShares.counts(of: total, ranks: communicator.size)
        let own = RowShares.range(of: communicator.rank, in: counts)
        let network = MaskedAutoencoder(model, precision, plan: plan)
        var options = MaskedAutoencoder.Activations.Options()
        options.predictsAll = true
        let pass = GradientPass(
            network, loss: loss, classes: nil, rowCounts: counts, options: options, communicator: communicator,
            team: team,
            clock: PhaseClock(), plan: plan)
        let images = try communicator.agree {
            try network.loadWeights(from: SafetensorsFile(path: weightsPath))
            let shape = [total, model.channels, model.imageHeight, model.imageWidth]
            let images = Matrix(rows: total, columns: model.imageValues)
            try file.read("images", shape: shape, into: images)
            let noise = Matrix(rows: total, columns: model.patches)
            try file.read("noise", shape: [total, model.patches], into: noise)
            pass.activations.masking.noise.copy(from: noise.rows(own))
            return images.rows(own)
        }
        pass.activations.masking.sortNoise()
        let shares = try pass.accumulate(images, labels: nil, isFirst: true, isLast: true)
        var sums = [shares.reconstruction, loss.regularizer == .none ? 0 : shares.uniformity]
        try communicator.allReduce(&sums, .sum)
        let losses = Losses(total: sums[0] + loss.lamb * sums[1], reconstruction: sums[0], uniformity: sums[1])

        let tensors = try outputs(of: pass, losses, counts, communicator)
        try communicator.agree {
            if communicator.rank == 0 { try SafetensorsWriter.write(tensors, to: dumpPath) }
        }
        return losses
    }

    private func batchSize(of file: SafetensorsFile, ranks: Int) throws -> Int {
        guard let shape = file["images"]?.shape else {
            throw DebugError("\(batchPath) has no tensor 'images': it needs images [N, C, H, W] and noise [N, L]")
        }
        guard shape.count == 4, let total = shape.first, total >= ranks else {
            throw DebugError(
                "\(batchPath): images has shape \(shape): it needs [N, C, H, W] with at least one image per rank")
        }
        return total
    }

    /// Every tensor of the dump, gathered in rank order.
    private func outputs(
        of pass: GradientPass, _ losses: Losses, _ counts: [Int], _ communicator: any Communicator
    ) throws -> [NamedTensor] {
        let total = counts.reduce(0, +)
        let a = pass.activations
        func gathered(_ name: String, _ shape: [Int], _ rows: Matrix, perImage: Int) throws -> NamedTensor {
            let own = rows.reshaped(rows: a.images, columns: perImage)
            let all = Matrix(rows: total, columns: perImage)
            try communicator.allGather(own, rowCounts: counts, into: all)
            return NamedTensor(name, shape: [total] + shape, all)
        }
        func scalar(_ name: String, _ value: Double) -> NamedTensor {
            NamedTensor(name, shape: [1], Matrix(rows: 1, columns: 1, values: [Float(value)]))
        }
        let tokens = 1 + model.keptPatches
        var tensors = [
            scalar("loss", losses.total), scalar("loss_mae", losses.reconstruction),
            scalar("loss_reg", losses.uniformity),
            try gathered(
                "pred", [model.patches, model.patchValues], a.patchPredictions(),
                perImage: model.patches * model.patchValues),
            try gathered("mask", [model.patches], a.masking.mask, perImage: model.patches),
            try gathered("latent", [tokens, model.embedDim], a.latent, perImage: tokens * model.embedDim),
            try gathered("cls", [model.embedDim], a.features, perImage: model.embedDim),
        ]
        let parameters = pass.model.parameters
        for specification in parameters.trainable {
            let gradient = pass.reducer.gradients.columns(parameters.range(of: specification.name))
            tensors.append(NamedTensor("grad.\(specification.name)", shape: specification.shape, gradient))
        }
        return tensors
    }
}

/// Debug input that does not fit.
package struct DebugError: Error, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }
}
