package import ImageCodecs
package import ImageSources

/// Images of another source, of which some are decoded otherwise.
package protocol WrappedImages: ImageSource {
    associatedtype Images: ImageSource
    var images: Images { get }
}

extension WrappedImages {
    package var name: String { images.name }
    package var count: Int { images.count }
    package var channels: Int { images.channels }
    package var classCount: Int? { images.classCount }
    package var uniformSize: ImageSize? { images.uniformSize }
    package var identity: DataIdentity { images.identity }
    package func label(at index: Int) -> Int { images.label(at: index) }
}
