/// The regulariser of a run and its parameters.
package struct RegularizerConfiguration: Codable, Equatable, Sendable {
    package var kind = Regularizer.spectral
    package var transport = FeatureTransport.auto
    /// μ of tcr.
    package var tcrMu = 1.0
    /// t of uniformity.
    package var uniformityT = 2.0

    /// Configurations of earlier versions call the transport so.
    private enum CodingKeys: String, CodingKey {
        case kind
        case transport = "exchange"
        case tcrMu, uniformityT
    }

    package init() {}

    /// How `images` features of `width` travel: never `auto`.
    ///
    /// Gathering brings N·D numbers of 4 bytes to each rank, which then spends about 2·n·N·D multiply-adds on its n rows;
    /// the Gram matrix brings D² of 8 (half of it there and half back) and 2·n·D². Beyond N = 2D it is less of both.
    package func resolvedTransport(images: Int, width: Int) -> FeatureTransport {
        let possible = kind.transports
        if possible.contains(transport) { return transport }
        return possible.contains(.gram) && images > 2 * width ? .gram : .gather
    }
}
