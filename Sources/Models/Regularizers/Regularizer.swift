/// What is asked of the class features of a batch besides reconstruction. z are the features, L2-normalised unless said
/// otherwise; N images in the batch, D width, G = ZᵀZ.
package enum Regularizer: String, Codable, CaseIterable, Sendable {
    case none
    /// U-MAE (Zhang, Wang and Wang 2022): the mean of (zᵢ·zⱼ)² over all pairs, an image with itself included; ‖G‖²/N².
    case spectral
    /// The same over pairs of different images, whose floor is 0 once N exceeds D no more: (‖G‖² - N) / N(N - 1).
    case spectralOffdiagonal = "spectral-offdiagonal"
    /// The same as spectral for features less their mean over the batch.
    case spectralCentred = "spectral-centred"
    /// Total coding rate, as in M-MAE (Tan et al. 2023): -log det(I + μ/D · G).
    case tcr
    /// The covariance term of VICReg (Bardes, Ponce and LeCun 2022) on features that are not normalised: the squares of
    /// the covariances of different dimensions, summed and divided by D.
    case vicregCovariance = "vicreg-covariance"
    /// Wang and Isola 2020: log of the mean over pairs of different images of exp(-t ‖zᵢ - zⱼ‖²).
    case uniformity
    /// Kozachenko-Leonenko entropy (Sablayrolles et al. 2019, as in DINOv2): -mean log(distance to the nearest other + ε).
    case koleo

    /// Whether the loss is a function of G and of the sum of the features, so that these can be exchanged instead of the
    /// features.
    package var dependsOnGram: Bool { self != .uniformity && self != .koleo }
    var normalizes: Bool { self != .vicregCovariance }
}

/// How the features of all ranks come together.
package enum FeatureTransport: String, Codable, CaseIterable, Sendable {
    /// Every rank receives all features, N × D.
    case gather
    /// Ranks add up their Gram matrices, D × D whatever the batch.
    case gram
    /// Whichever moves and computes less.
    case auto
}

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

    /// Throws `ModelError` naming what cannot be.
    package func validate() throws {
        guard tcrMu > 0 && tcrMu.isFinite else { throw ModelError("--tcr-mu is \(tcrMu): it must be above 0") }
        guard uniformityT > 0 && uniformityT.isFinite else {
            throw ModelError("--uniformity-t is \(uniformityT): it must be above 0")
        }
        guard transport != .gram || kind.dependsOnGram else {
            throw ModelError(
                "--reg \(kind.rawValue) needs the features of all pairs, not their Gram matrix: "
                    + "use --uniformity-exchange gather or auto")
        }
    }

    /// How `images` features of `width` travel: never `auto`.
    ///
    /// Gathering brings N·D numbers of 4 bytes to each rank, which then spends about 2·n·N·D multiply-adds on its n rows;
    /// the Gram matrix brings D² of 8 (half of it there and half back) and 2·n·D². Beyond N = 2D it is less of both.
    package func resolvedTransport(images: Int, width: Int) -> FeatureTransport {
        guard kind.dependsOnGram else { return .gather }
        guard transport == .auto else { return transport }
        return images > 2 * width ? .gram : .gather
    }
}
