internal import ArgumentParser
package import Pretraining
package import Regularizers
package import Settings

/// Flags that say what is minimised.
package struct LossOptions: ParsableArguments {
    @Option(help: "λ, the weight of the uniformity loss.") package var lamb = 0.01

    @Option(
        help: """
            Regulariser of the class features: none (MAE), spectral (U-MAE: mean squared similarity over all pairs of \
            the global batch), spectral-offdiagonal (pairs of different images), spectral-centred (features less their \
            mean), tcr (-log det(I + μ/D·ZᵀZ)), vicreg-covariance, uniformity (Wang and Isola) or koleo.
            """)
    package var reg = Regularizer.spectral

    @Option(help: "μ of --reg tcr, at most 1e6.") package var tcrMu = 1.0
    @Option(help: "t of --reg uniformity.") package var uniformityT = 2.0

    @Option(
        help: """
            How features of all ranks come together: gather (all N × D), gram (the D × D sum of products, for \
            regularisers that are a function of it) or auto (gram if N exceeds 2·D).
            """)
    package var uniformityExchange = FeatureTransport.auto

    @Option(
        help: """
            With --accum-iter, the features that one is compared with: effective (of the whole effective batch; each \
            micro-batch is encoded twice) or micro (of the same micro-batch, as in the public code).
            """)
    package var negatives = Negatives.effective

    @Option(
        help: """
            Masks that each image of a batch is seen through, each a view that is encoded and reconstructed; the \
            regulariser compares views of different images.
            """)
    package var masksPerImage = 1

    @Option(
        help: """
            Gradient of the uniformity loss: exact (of the global loss) or reference (the public code's, divided by \
            the number of ranks).
            """)
    package var uniformityGradient = UniformityGradient.exact

    package init() {}

    package func validate() throws { try checkLimits() }

    package func configuration() -> LossConfiguration {
        var configuration = LossConfiguration()
        apply(to: &configuration)
        return configuration
    }
}

extension LossOptions: ConfiguringOptions {
    package static var bindings: [FlagBinding<Self, LossConfiguration>] {
        [
            FlagBinding("--lamb", \.lamb, \.lamb, .atLeast(0)), FlagBinding("--reg", \.reg, \.regularizer.kind),
            FlagBinding(
                "--tcr-mu", \.tcrMu, \.regularizer.tcrMu, .above(0, most: 1e6),
                decidesNumbers: { $0.regularizer.kind == .tcr }),
            FlagBinding(
                "--uniformity-t", \.uniformityT, \.regularizer.uniformityT, .above(0),
                decidesNumbers: { $0.regularizer.kind == .uniformity }),
            // The same loss to rounding.
            FlagBinding(
                "--uniformity-exchange", \.uniformityExchange, \.regularizer.transport, decidesNumbers: { _ in false }),
            FlagBinding("--negatives", \.negatives, \.negatives),
            FlagBinding(
                "--masks-per-image", \.masksPerImage, \.masksPerImage, .within(LossConfiguration.masksPerImage)),
            FlagBinding("--uniformity-gradient", \.uniformityGradient, \.uniformityGradient),
        ]
    }
}

extension UniformityGradient: ExpressibleByArgument {}
extension FeatureTransport: ExpressibleByArgument {}
extension Negatives: ExpressibleByArgument {}
extension Regularizer: ExpressibleByArgument {}
