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

    /// How its features may travel: by their Gram matrix where the loss is a function of G and of the sum of the features.
    package var transports: [FeatureTransport] {
        switch self {
        case .uniformity, .koleo: [.gather]
        default: [.gather, .gram]
        }
    }

    /// Images that a batch must have: 2 where different ones are compared.
    package var fewestImages: Int {
        switch self {
        case .none, .spectral, .spectralCentred, .tcr: 1
        case .spectralOffdiagonal, .vicregCovariance, .uniformity, .koleo: 2
        }
    }
}
