internal import Checkpoints
internal import Layers
internal import Models
internal import Optimization
internal import Tensors

extension AdamW {
    /// An optimizer of all trained tensors; weight decay follows timm's rule.
    convenience init(_ parameters: ParameterSet, configuration: Configuration, plan: MemoryPlan) {
        self.init(
            values: parameters.values,
            tensors: parameters.trainable.map {
                (parameters.range(of: $0.name), weightDecays(name: $0.name, shape: $0.shape))
            }, configuration: configuration, plan: plan)
    }

    /// Both moments of every trained tensor, under torch.optim.AdamW's names.
    func namedTensors(of model: MaskedAutoencoder) -> [NamedTensor] {
        let parameters = model.parameters
        return [("exp_avg", firstMoment), ("exp_avg_sq", secondMoment)].flatMap { kind, moment in
            parameters.trainable.map {
                NamedTensor(
                    "\(kind).\($0.name)", shape: $0.shape, moment.columns(parameters.range(of: $0.name)))
            }
        }
    }
}
