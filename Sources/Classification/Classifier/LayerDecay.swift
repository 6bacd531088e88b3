internal import Foundation
internal import Layers
internal import Models
package import Optimization

extension VisionTransformerClassifier {
    /// One group for each trained tensor, in order: the deeper a layer, the more of the learning rate it has
    /// (facebookresearch/mae `util/lr_decay.py`, after Clark et al. 2020, ELECTRA).
    ///
    /// The class token, the positions and the patch embedding are layer 0, block i is layer i + 1, all that follows layer
    /// depth + 1, whose rate is not scaled. Weight decay leaves out tensors of one dimension, the class token and the
    /// positions.
    ///
    /// - Parameters:
    ///   - decay: factor from a layer to the one before; 1 for one rate of all.
    ///   - decaysAll: whether weight decay leaves out nothing.
    package func parameterGroups(layerDecay decay: Double, decaysAll: Bool = false) -> [ParameterGroup] {
        let last = configuration.depth + 1
        return parameters.trainable.map { tensor in
            ParameterGroup(
                parameters.range(of: tensor.name),
                decays: decaysAll
                    || (tensor.shape.count > 1 && !["cls_token", "pos_embed"].contains(tensor.name)),
                rateScale: pow(decay, Double(last - layer(of: tensor.name))))
        }
    }

    private func layer(of name: String) -> Int {
        if name == "cls_token" || name == "pos_embed" || name.hasPrefix("patch_embed.") { return 0 }
        let parts = name.split(separator: ".")
        guard parts[0] == "blocks", let block = Int(parts[1]) else { return configuration.depth + 1 }
        return block + 1
    }
}
