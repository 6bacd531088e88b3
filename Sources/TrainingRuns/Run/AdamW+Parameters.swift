internal import Checkpoints
package import Layers
package import Optimization
internal import Safetensors
package import Tensors

extension AdamW {
    /// An optimizer of all trained tensors; weight decay follows timm's rule.
    ///
    /// - Parameter owned: what this rank updates; nil for everything.
    package convenience init(
        _ parameters: ParameterSet, owned: [Range<Int>]? = nil, configuration: Configuration, plan: MemoryPlan
    ) {
        self.init(
            values: parameters.values,
            tensors: parameters.trainable.map {
                ParameterGroup(
                    parameters.range(of: $0.name),
                    decays: configuration.decaysAll || weightDecays(name: $0.name, shape: $0.shape))
            }, owned: owned, configuration: configuration, plan: plan)
    }
}

extension Optimizer {
    /// Fills the moments of what is owned.
    func loadMoments(from file: SafetensorsFile, of parameters: ParameterSet) throws {
        for (kind, moment) in zip(Self.momentNames, moments) {
            var part = 0
            var place = 0
            for tensor in parameters.trainable {
                let range = parameters.range(of: tensor.name)
                let whole = Matrix(rows: 1, columns: range.count)
                try file.read("\(kind).\(tensor.name)", shape: tensor.shape, into: whole)
                // Parts are in order, as tensors are; one may reach into the next tensor.
                while part < owned.count && owned[part].lowerBound < range.upperBound {
                    let own = owned[part].clamped(to: range)
                    moment.columns(place..<place + own.count)
                        .copy(
                            from: whole.columns(own.lowerBound - range.lowerBound..<own.upperBound - range.lowerBound))
                    place += own.count
                    guard owned[part].upperBound <= range.upperBound else { break }
                    part += 1
                }
            }
        }
    }

    /// Memory for a copy of weights and moments that checkpoints are written from.
    func snapshot(of parameters: ParameterSet, in plan: MemoryPlan) -> OptimizerSnapshot {
        OptimizerSnapshot(count: parameters.values.count, names: Self.momentNames, plan: plan)
    }

    /// The moments [1, n] of all trained tensors, by name.
    static func namedTensors(_ moments: [Matrix], of parameters: ParameterSet) -> [NamedTensor] {
        zip(momentNames, moments).flatMap { kind, moment in
            parameters.trainable.map {
                NamedTensor(
                    "\(kind).\($0.name)", shape: $0.shape, moment.columns(parameters.range(of: $0.name)))
            }
        }
    }
}
