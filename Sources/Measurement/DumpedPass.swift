internal import Communication
internal import DataParallel
internal import ImageData
internal import Models
internal import Pretraining
internal import Regularizers
internal import Runs
internal import Safetensors
internal import Tensors
internal import Training
internal import TrainingRuns

/// A pass over the batch of a `DebugDump`, and room for what is dumped of this rank's part of it.
struct DumpedPass {
    let pass: GradientPass<PretrainObjective>
    let division: BatchPlan
    let outputs: Outputs
    private let configuration: StepConfiguration
    private let rank: Int
    /// Of all ranks.
    private let images: Matrix
    private let noise: Matrix

    /// Lays everything out.
    init(_ dump: DebugDump, _ division: BatchPlan, on resources: RankResources) {
        let (c, memory) = (dump.configuration, resources.memory)
        var options = PassOptions()
        options.predictsAll = true
        options.kept = dump.recomputesActivations ? .inputs : .activations
        let objective = PretrainObjective(
            MaskedAutoencoder(c.model, c.precision, plan: memory), loss: c.loss, classes: nil, batch: division,
            masks: .given, options: options, sumsInTree: c.gradientExchange.fixedShards > 0,
            communicator: resources.communicator, team: resources.team, memory: memory)
        pass = GradientPass(
            objective, accumulation: c.accumulation, gradientSum: c.gradientExchange,
            communicator: resources.communicator, team: resources.team, clock: PhaseClock(), plan: memory)
        configuration = c
        rank = resources.communicator.rank
        self.division = division
        images = memory.matrix(.batches, "images", rows: division.total, columns: c.model.imageValues)
        noise = memory.matrix(.batches, "noise", rows: division.total, columns: c.loss.masksPerImage * c.model.patches)
        outputs = Outputs(
            c.model, images: division.rankTotals[rank], masks: c.loss.masksPerImage, plan: memory)
    }

    func read(weights: SafetensorsFile, batch: SafetensorsFile) throws {
        let model = configuration.model
        try pass.objective.model.loadWeights(from: weights)
        let shape = [division.total, model.channels, model.imageHeight, model.imageWidth]
        try batch.read("images", shape: shape, into: images)
        let masks = configuration.loss.masksPerImage
        try batch.read(
            "noise", shape: [division.total] + (masks > 1 ? [masks] : []) + [model.patches], into: noise)
    }

    /// Forward and backward over every micro-batch. Collective.
    func run() throws -> DebugDump.Losses {
        if pass.objective.looksAhead {
            for micro in 0..<division.accumulation { try pass.lookAhead(at: batch(micro).batch) }
        }
        var shares: [PretrainFigures] = []
        for micro in 0..<division.accumulation {
            let (batch, activations) = batch(micro)
            shares.append(try pass.differentiate(batch))
            outputs.keep(activations, at: division.rows(of: micro, rank: rank))
        }
        let figures = try pass.figures(ofShares: shares)
        let loss = configuration.loss
        let regularizer = loss.regularizer.kind == .none ? 0 : figures.regularizer
        return DebugDump.Losses(
            total: figures.reconstruction + loss.lamb * regularizer, reconstruction: figures.reconstruction,
            regularizer: regularizer)
    }

    /// A micro-batch whose masks are in its activations.
    private func batch(_ micro: Int) -> (batch: Batch, activations: MaskedAutoencoder.Activations) {
        let (own, rows) = (division.rows(of: rank), division.rows(of: micro, rank: rank))
        let activations = pass.objective.activations(for: micro)
        let views = activations.masking.noise
        for mask in 0..<configuration.loss.masksPerImage {
            views.rows(mask * rows.count..<(mask + 1) * rows.count)
                .copy(from: noise.rows(own).rows(rows).part(mask, columns: views.columns))
        }
        activations.masking.sortNoise()
        return (Batch(images: images.rows(own).rows(rows), micro: micro), activations)
    }

    /// What the forward passes give for this rank's images, one row for each, its views side by side.
    struct Outputs {
        let predictions: Matrix
        let mask: Matrix
        let latent: Matrix
        let features: Matrix
        private let masks: Int

        init(_ c: MaskedAutoencoderConfiguration, images: Int, masks: Int, plan: MemoryPlan) {
            func matrix(_ name: String, _ columns: Int) -> Matrix {
                plan.matrix(.activations, "\(name), dumped", rows: images, columns: masks * columns)
            }
            self.masks = masks
            predictions = matrix("predictions", c.patches * c.patchValues)
            mask = matrix("mask", c.patches)
            latent = matrix("latent", (1 + c.keptPatches) * c.embedDim)
            features = matrix("features", c.embedDim)
        }

        func keep(_ a: MaskedAutoencoder.Activations, at rows: Range<Int>) {
            func copy(_ source: Matrix, to target: Matrix) {
                let columns = target.columns / masks
                let views = source.reshaped(rows: masks * rows.count, columns: columns)
                for mask in 0..<masks {
                    target.rows(rows).part(mask, columns: columns)
                        .copy(from: views.rows(mask * rows.count..<(mask + 1) * rows.count))
                }
            }
            copy(a.patchPredictions(), to: predictions)
            copy(a.masking.mask, to: mask)
            copy(a.latent, to: latent)
            copy(a.features, to: features)
        }
    }
}

extension Matrix {
    /// The `index`-th of parts of so many columns that stand side by side.
    fileprivate func part(_ index: Int, columns count: Int) -> Matrix {
        columns(index * count..<(index + 1) * count)
    }
}
