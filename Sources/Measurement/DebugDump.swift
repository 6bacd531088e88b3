internal import Communication
internal import DataParallel
internal import Host
internal import ImageData
internal import Layers
internal import Models
internal import Optimization
package import Pretraining
package import Runs
internal import Safetensors
internal import Tensors
internal import TrainingRuns
internal import Training

/// One forward and backward pass over a given batch with given weights, everything written to a file: what another
/// implementation is compared with.
package struct DebugDump {
    /// The batch is the file's, whatever this says of its size.
    package let configuration: StepConfiguration
    package let weightsPath: String
    package let batchPath: String
    package let dumpPath: String
    package let recomputesActivations: Bool
    /// Of an update of the weights, which is made and dumped too; nil for none.
    package let learningRate: Double?

    package init(
        _ configuration: StepConfiguration, weightsPath: String, batchPath: String, dumpPath: String,
        recomputesActivations: Bool = false, learningRate: Double? = nil
    ) {
        self.configuration = configuration
        self.weightsPath = weightsPath
        self.batchPath = batchPath
        self.dumpPath = dumpPath
        self.recomputesActivations = recomputesActivations
        self.learningRate = learningRate
    }

    /// The losses of the global batch.
    package struct Losses: Sendable {
        package let total: Double
        package let reconstruction: Double
        package let regularizer: Double
    }

    /// Splits the batch over ranks and micro-batches; rank 0 writes the dump in global order. Collective.
    package func run(on resources: RankResources) throws -> Losses {
        let communicator = resources.communicator
        let (file, division) = try communicator.agree { try openBatch(ranks: communicator.size) }
        try MemoryCheck.refuse(
            MemoryEstimate(
                configuration.model,
                images: configuration.loss.masksPerImage * division.largest(of: communicator.rank),
                elementBytes: configuration.precision.byteCount),
            in: communicator)
        let counting = resources.counting
        _ = DumpedPass(self, division, on: counting)
        try MemoryCheck.run(counting.memory, remedies: .batchSize, in: communicator)

        let pass = DumpedPass(self, division, on: resources)
        try communicator.agree { try pass.read(weights: SafetensorsFile(path: weightsPath), batch: file) }
        let losses = try pass.run()
        try makeUpdate(pass.pass, resources)
        let tensors = try self.tensors(pass, losses, communicator)
        try communicator.agree {
            if communicator.rank == 0 {
                try SafetensorsWriter.write(tensors, metadata: [Self.mark: "debug"], to: dumpPath)
            }
        }
        return losses
    }

    /// The batch, and how it is divided.
    private func openBatch(ranks: Int) throws -> (SafetensorsFile, BatchPlan) {
        try configuration.model.validate()
        let file = try SafetensorsFile(path: batchPath)
        let accumulation = configuration.accumulation
        let total = try batchSize(of: file, parts: ranks * accumulation)
        let shards = configuration.gradientExchange.fixedShards
        guard shards == 0 || total % shards == 0 else {
            throw DebugError(
                "\(batchPath): --deterministic divides the batch into \(shards) equal parts, and it has \(total) images"
            )
        }
        let division = BatchPlan(dividing: total, ranks: ranks, accumulation: accumulation)
        try configuration.loss.validate(images: configuration.loss.spannedImages(division))
        return (file, division)
    }

    private func batchSize(of file: SafetensorsFile, parts: Int) throws -> Int {
        guard let shape = file["images"]?.shape else {
            throw DebugError(
                "\(batchPath) has no tensor 'images': it needs images [N, C, H, W] and noise [N, L], or [N, M, L] for "
                    + "--masks-per-image M")
        }
        guard shape.count == 4, let total = shape.first, total >= parts else {
            throw DebugError(
                "\(batchPath): images has shape \(shape): it needs [N, C, H, W] with at least \(parts) images, one for "
                    + "each rank and micro-batch")
        }
        return total
    }

    /// Updates the weights if that was asked for, and brings gradients together that ranks had parts of.
    private func makeUpdate(_ pass: GradientPass<PretrainObjective>, _ resources: RankResources) throws {
        let parameters = pass.objective.parameters
        let reducer = pass.reducer
        let isShared = configuration.gradientExchange.shardsOptimizer
        var gathered: [Matrix] = isShared ? [reducer.gradients] : []
        if let learningRate {
            let optimizer = AdamW(
                parameters, owned: reducer.owned, configuration: configuration.optimizer, plan: resources.memory)
            resources.team.run { optimizer.update(reducer.gradients, step: 1, learningRate: learningRate, by: $0) }
            if isShared { gathered.append(parameters.values) }
        }
        for values in gathered {
            let gather = WeightGather(resources.communicator, reducer.layout, values: values)
            for bucket in reducer.layout.buckets.indices { try gather.start(bucket) }
            try gather.finish()
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

    /// Every tensor of the dump, gathered in rank order.
    private func tensors(
        _ dumped: DumpedPass, _ losses: Losses, _ communicator: any Communicator
    ) throws -> [NamedTensor] {
        let counts = dumped.division.rankTotals
        let total = dumped.division.total
        let masks = configuration.loss.masksPerImage
        func gathered(_ name: String, _ shape: [Int], _ rows: Matrix) throws -> NamedTensor {
            let all = Matrix(rows: total, columns: rows.columns)
            try communicator.allGather(rows, rowCounts: counts, into: all)
            return NamedTensor(name, shape: [total] + (masks > 1 ? [masks] : []) + shape, all)
        }
        func scalar(_ name: String, _ value: Double) -> NamedTensor {
            NamedTensor(name, shape: [1], Matrix(rows: 1, columns: 1, values: [Float(value)]))
        }
        let (model, outputs) = (configuration.model, dumped.outputs)
        let tokens = 1 + model.keptPatches
        var tensors = [
            scalar("loss", losses.total), scalar("loss_mae", losses.reconstruction),
            scalar("loss_reg", losses.regularizer),
            try gathered("pred", [model.patches, model.patchValues], outputs.predictions),
            try gathered("mask", [model.patches], outputs.mask),
            try gathered("latent", [tokens, model.embedDim], outputs.latent),
            try gathered("cls", [model.embedDim], outputs.features),
        ]
        let parameters = dumped.pass.objective.parameters
        for specification in parameters.trainable {
            let gradient = dumped.pass.reducer.gradients.columns(parameters.range(of: specification.name))
            tensors.append(NamedTensor("grad.\(specification.name)", shape: specification.shape, gradient))
            if learningRate != nil {
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
