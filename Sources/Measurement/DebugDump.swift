internal import Safetensors
internal import Checkpoints
package import Communication
package import DataParallel
internal import ImageData
internal import Layers
package import Models
package import Optimization
internal import Regularizers
package import Tensors
package import Pretraining
internal import Runs
internal import Training
internal import Host

/// One forward and backward pass over a given batch with given weights, everything written to a file: what another
/// implementation is compared with.
package struct DebugDump {
    package let model: MaskedAutoencoderConfiguration
    package let loss: LossConfiguration
    package let precision: ElementType
    /// Micro-batches that each rank's part of the batch is divided into.
    package let accumulation: Int
    package let weightsPath: String
    package let batchPath: String
    package let dumpPath: String
    package var gradientSum = GradientSumConfiguration()
    package var recomputesActivations = false
    /// An update of the weights to make and dump, if any.
    package var update: Update?

    package struct Update: Sendable {
        package let learningRate: Double
        package let optimizer: AdamW.Configuration

        package init(learningRate: Double, optimizer: AdamW.Configuration) {
            self.learningRate = learningRate
            self.optimizer = optimizer
        }
    }

    package init(
        model: MaskedAutoencoderConfiguration, loss: LossConfiguration, precision: ElementType, accumulation: Int = 1,
        weightsPath: String, batchPath: String, dumpPath: String
    ) {
        self.model = model
        self.loss = loss
        self.precision = precision
        self.accumulation = accumulation
        self.weightsPath = weightsPath
        self.batchPath = batchPath
        self.dumpPath = dumpPath
    }

    /// The losses of the global batch.
    package struct Losses: Sendable {
        package let total: Double
        package let reconstruction: Double
        package let regularizer: Double
    }

    /// Splits the batch over ranks and micro-batches; rank 0 writes the dump in global order. Collective.
    package func run(communicator: any Communicator, team: Team) throws -> Losses {
        let plan = MemoryPlan()
        let (file, total) = try communicator.agree {
            try model.validate()
            let file = try SafetensorsFile(path: batchPath)
            let total = try batchSize(of: file, parts: communicator.size * accumulation)
            guard gradientSum.fixedShards == 0 || total % gradientSum.fixedShards == 0 else {
                throw DebugError(
                    "\(batchPath): --deterministic divides the batch into \(gradientSum.fixedShards) equal parts, and it "
                        + "has \(total) images")
            }
            try loss.validate(
                images: loss.spannedImages(
                    BatchPlan(dividing: total, ranks: communicator.size, accumulation: accumulation)))
            return (file, total)
        }
        let division = BatchPlan(dividing: total, ranks: communicator.size, accumulation: accumulation)
        let counts = division.rankTotals
        let own = division.rows(of: communicator.rank)
        try MemoryCheck.refuse(
            MemoryEstimate(
                model, images: division.largest(of: communicator.rank), elementBytes: precision.byteCount),
            in: communicator)
        let counted = MemoryPlan(isBacked: false)
        _ = layOut(division, communicator, team, counted)
        try MemoryCheck.run(counted, remedies: .batchSize, in: communicator)
        let (pass, batch, outputs) = layOut(division, communicator, team, plan)
        let network = pass.objective.model
        let (images, noise) = try communicator.agree {
            try network.loadWeights(from: SafetensorsFile(path: weightsPath))
            let shape = [total, model.channels, model.imageHeight, model.imageWidth]
            try file.read("images", shape: shape, into: batch.images)
            try file.read("noise", shape: [total, model.patches], into: batch.noise)
            return (batch.images.rows(own), batch.noise.rows(own))
        }
        let parts = (0..<accumulation).map { division.rows(of: $0, rank: communicator.rank) }
        func prepare(_ micro: Int) -> MaskedAutoencoder.Activations {
            let a = pass.objective.activations(for: micro)
            a.masking.noise.copy(from: noise.rows(parts[micro]))
            a.masking.sortNoise()
            return a
        }
        if pass.objective.looksAhead {
            for (micro, rows) in parts.enumerated() {
                _ = prepare(micro)
                try pass.lookAhead(at: Batch(images: images.rows(rows), micro: micro))
            }
        }
        var shares: [PretrainFigures] = []
        for (micro, rows) in parts.enumerated() {
            let a = prepare(micro)
            shares.append(try pass.differentiate(Batch(images: images.rows(rows), micro: micro)))
            outputs.keep(a, at: rows)
        }
        let figures = try pass.figures(ofShares: shares)
        let regularizer = loss.regularizer.kind == .none ? 0 : figures.regularizer
        let losses = Losses(
            total: figures.reconstruction + loss.lamb * regularizer, reconstruction: figures.reconstruction,
            regularizer: regularizer)

        try makeUpdate(pass, communicator, team, plan)
        let tensors = try self.tensors(outputs, pass, losses, counts, communicator)
        try communicator.agree {
            if communicator.rank == 0 {
                try SafetensorsWriter.write(tensors, metadata: [Self.mark: "debug"], to: dumpPath)
            }
        }
        return losses
    }

    /// The pass, the whole batch, and room for what is dumped of this rank's part of it.
    private func layOut(
        _ division: BatchPlan, _ communicator: any Communicator, _ team: Team, _ plan: MemoryPlan
    ) -> (GradientPass<PretrainObjective>, (images: Matrix, noise: Matrix), Outputs) {
        var options = PassOptions()
        options.predictsAll = true
        options.recomputes = recomputesActivations
        let objective = PretrainObjective(
            MaskedAutoencoder(model, precision, plan: plan), loss: loss, classes: nil, batch: division, masks: .given,
            options: options, sumsInTree: gradientSum.fixedShards > 0, communicator: communicator, team: team,
            memory: plan)
        let pass = GradientPass(
            objective, accumulation: accumulation, gradientSum: gradientSum, communicator: communicator, team: team,
            clock: PhaseClock(), plan: plan)
        return (
            pass,
            (
                plan.matrix(.batches, "images", rows: division.total, columns: model.imageValues),
                plan.matrix(.batches, "noise", rows: division.total, columns: model.patches)
            ), Outputs(model, images: division.rankTotals[communicator.rank], plan: plan)
        )
    }

    /// Updates the weights if that was asked for, and brings gradients together that ranks had parts of.
    private func makeUpdate(
        _ pass: GradientPass<PretrainObjective>, _ communicator: any Communicator, _ team: Team, _ plan: MemoryPlan
    ) throws {
        let parameters = pass.objective.parameters
        let reducer = pass.reducer
        var gathered: [Matrix] = gradientSum.shardsOptimizer ? [reducer.gradients] : []
        if let update {
            let optimizer = AdamW(parameters, owned: reducer.owned, configuration: update.optimizer, plan: plan)
            team.run { optimizer.update(reducer.gradients, step: 1, learningRate: update.learningRate, by: $0) }
            if gradientSum.shardsOptimizer { gathered.append(parameters.values) }
        }
        for values in gathered {
            let gather = WeightGather(communicator, reducer.layout, values: values)
            for bucket in reducer.layout.buckets.indices { try gather.start(bucket) }
            try gather.finish()
        }
    }

    /// What the forward passes give for this rank's images, one row for each.
    private struct Outputs {
        let predictions: Matrix
        let mask: Matrix
        let latent: Matrix
        let features: Matrix

        init(_ c: MaskedAutoencoderConfiguration, images: Int, plan: MemoryPlan) {
            func matrix(_ name: String, _ columns: Int) -> Matrix {
                plan.matrix(.activations, "\(name), dumped", rows: images, columns: columns)
            }
            predictions = matrix("predictions", c.patches * c.patchValues)
            mask = matrix("mask", c.patches)
            latent = matrix("latent", (1 + c.keptPatches) * c.embedDim)
            features = matrix("features", c.embedDim)
        }

        func keep(_ a: MaskedAutoencoder.Activations, at rows: Range<Int>) {
            func copy(_ source: Matrix, to target: Matrix) {
                target.rows(rows).copy(from: source.reshaped(rows: rows.count, columns: target.columns))
            }
            copy(a.patchPredictions(), to: predictions)
            copy(a.masking.mask, to: mask)
            copy(a.latent, to: latent)
            copy(a.features, to: features)
        }
    }

    /// Stands in the header of what this writes.
    private static var mark: String { "umae-dist" }

    /// Looks whether the dump can be written without anything being lost, and changes nothing.
    package static func examine(dump: String, inputs: [String]) throws {
        guard try Directories.canHold(Directories.parent(of: dump), flag: "--dump"), Directories.exists(dump) else {
            return
        }
        if let own = Directories.resolved(dump), inputs.contains(where: { Directories.resolved($0) == own }) {
            throw SettingsError("--dump: \(dump) is one of the files read: choose another name")
        }
        guard (try? SafetensorsFile(path: dump).metadata[mark]) == nil else { return }
        throw SettingsError(
            "--dump: \(dump) is there and is no dump of umae-dist, and would be lost: choose another name, or move it away"
        )
    }

    private func batchSize(of file: SafetensorsFile, parts: Int) throws -> Int {
        guard let shape = file["images"]?.shape else {
            throw DebugError("\(batchPath) has no tensor 'images': it needs images [N, C, H, W] and noise [N, L]")
        }
        guard shape.count == 4, let total = shape.first, total >= parts else {
            throw DebugError(
                "\(batchPath): images has shape \(shape): it needs [N, C, H, W] with at least \(parts) images, one for "
                    + "each rank and micro-batch")
        }
        return total
    }

    /// Every tensor of the dump, gathered in rank order.
    private func tensors(
        _ outputs: Outputs, _ pass: GradientPass<PretrainObjective>, _ losses: Losses, _ counts: [Int],
        _ communicator: any Communicator
    ) throws -> [NamedTensor] {
        let total = counts.reduce(0, +)
        func gathered(_ name: String, _ shape: [Int], _ rows: Matrix) throws -> NamedTensor {
            let all = Matrix(rows: total, columns: rows.columns)
            try communicator.allGather(rows, rowCounts: counts, into: all)
            return NamedTensor(name, shape: [total] + shape, all)
        }
        func scalar(_ name: String, _ value: Double) -> NamedTensor {
            NamedTensor(name, shape: [1], Matrix(rows: 1, columns: 1, values: [Float(value)]))
        }
        let tokens = 1 + model.keptPatches
        var tensors = [
            scalar("loss", losses.total), scalar("loss_mae", losses.reconstruction),
            scalar("loss_reg", losses.regularizer),
            try gathered("pred", [model.patches, model.patchValues], outputs.predictions),
            try gathered("mask", [model.patches], outputs.mask),
            try gathered("latent", [tokens, model.embedDim], outputs.latent),
            try gathered("cls", [model.embedDim], outputs.features),
        ]
        let parameters = pass.objective.parameters
        for specification in parameters.trainable {
            let gradient = pass.reducer.gradients.columns(parameters.range(of: specification.name))
            tensors.append(NamedTensor("grad.\(specification.name)", shape: specification.shape, gradient))
            if update != nil {
                let updated = parameters.values.columns(parameters.range(of: specification.name))
                tensors.append(NamedTensor("updated.\(specification.name)", shape: specification.shape, updated))
            }
        }
        return tensors
    }
}

/// Debug input that does not fit.
package struct DebugError: Error, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }
}
