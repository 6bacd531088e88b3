package import Tensors

extension RegularizerConfiguration {
    /// The regulariser of one batch: of the Gram matrix where that travels or where the loss is a function of it alone, of
    /// pairs where features are gathered and compared.
    package func makeRegularizer(of batch: FeatureBatch, plan: MemoryPlan) -> any FeatureRegularizer {
        let gathers = resolvedTransport(images: batch.globalImages, width: batch.width) == .gather
        switch kind {
        case .none, .spectral, .spectralOffdiagonal:
            let withItself = kind != .spectralOffdiagonal
            return gathers
                ? PairRegularizer(.products(withItself: withItself), of: batch, plan: plan)
                : GramRegularizer(.products(withItself: withItself), of: batch, gathers: false, plan: plan)
        case .spectralCentred:
            return GramRegularizer(
                .covariances(keepsDiagonal: true, pairs: batch.pairs(withItself: true)), of: batch, gathers: gathers,
                plan: plan)
        case .vicregCovariance:
            let freedom = max(Double(batch.globalImages) - 1, 1)
            let pairs = freedom * freedom * Double(batch.width)
            return GramRegularizer(
                .covariances(keepsDiagonal: false, pairs: pairs), of: batch, gathers: gathers, normalizes: false,
                plan: plan)
        case .tcr:
            return GramRegularizer(
                .codingRate(CodingRate(mu: tcrMu, width: batch.width, plan: plan)), of: batch, gathers: gathers,
                plan: plan)
        case .uniformity:
            let potential = GaussianPotential(t: uniformityT, ranks: batch.ranks, plan: plan)
            return PairRegularizer(.potential(potential), of: batch, plan: plan)
        case .koleo:
            return PairRegularizer(.nearest(NearestNeighbors(batch, plan: plan)), of: batch, plan: plan)
        }
    }
}
