/// What was found of one checkpoint's features on images that it was not trained on.
package struct CheckpointAnalysis: Encodable, Sendable {
    /// Of features as they are, or less their mean.
    package struct Spread: Encodable, Sendable {
        package let rankMe: Double
        package let participationRatio: Double
        /// α-ReQ
        package let powerLawExponent: Double?
        /// Descending.
        package let singularValues: [Double]

        init(_ spectrum: Spectrum) {
            rankMe = spectrum.rankMe
            participationRatio = spectrum.participationRatio
            powerLawExponent = spectrum.powerLawExponent
            singularValues = spectrum.singularValues
        }
    }

    /// What a ratio of masked patches makes of images.
    package struct MaskRatio: Encodable, Sendable {
        package let ratio: Double
        /// Mean cosine of the features of two masks of an image.
        package let alignment: Double
        /// Patches that two masks of an image both keep, over those that one of them keeps.
        package let overlap: Double
        /// Share of the masked images that a linear classifier, fitted to whole training images, gets wrong: how often a mask
        /// takes away what tells the class. Nil without labels.
        package let labellingError: Double?
        /// The reconstruction loss.
        package let reconstruction: Double
    }

    package let checkpoint: String
    package let feature: String
    package let width: Int
    package let images: Int
    package let raw: Spread
    package let centred: Spread
    package let lidar: Double
    package let pairs: PairStatistics
    /// The share of the whole test images that the same classifier gets wrong; nil without labels.
    package let wholeImageError: Double?
    /// At the ratio that the model was trained with.
    package let trained: MaskRatio
    /// At others, in the order asked for.
    package let sweep: [MaskRatio]
}
