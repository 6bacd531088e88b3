internal import Layers
internal import Models
internal import Optimization
internal import Runs
internal import Tensors

extension BackgroundSaver<RunState> {
    /// Saves a model and its optimizer from a snapshot that updates leave.
    convenience init(
        _ snapshot: OptimizerSnapshot, of model: MaskedAutoencoder, _ optimizer: AdamW, state: RunState, isPatient: Bool
    ) {
        let parameters = model.parameters
        let moments = zip(snapshot.moments, optimizer.moments)
        self.init(
            [Copy(snapshot.values, of: parameters.values)]
                // Moments of a rank's share alone are gathered by whoever requests the save.
                + moments.map { copy, live in Copy(copy, of: live.count == copy.count ? live : nil) },
            weights: model.namedTensors(snapshot.values),
            optimizer: AdamW.namedTensors(snapshot.moments, of: parameters), state: state, isPatient: isPatient)
    }
}
