internal import ImageFiles
internal import ImageSources

/// The labels that one shard gives for its images, by key.
struct GivenLabels {
    private var names = NameTable()
    private var values: [(kind: MemberLabel.Kind, label: Int32)] = []

    var isEmpty: Bool { values.isEmpty }

    mutating func take(
        _ kind: MemberLabel.Kind, _ member: TarFile.Member, from tar: TarFile
    ) throws(ImageDataError) {
        // So long a member describes something else.
        guard member.size <= MemberLabel.limit else { return }
        let bytes = try tar.content(limit: member.size)
        do throws(ArchiveProblem) {
            guard let label = try MemberLabel.value(kind, bytes, name: member.name) else { return }
            names.append(member.name)
            values.append((kind, label))
        } catch {
            throw .archive(path: tar.path, error)
        }
    }

    /// Where a key has both, the one that is nothing but a label.
    var byKey: [ArraySlice<UInt8>: Int32] {
        var labels: [ArraySlice<UInt8>: Int32] = [:]
        for (number, value) in values.enumerated() {
            let key = SamplePath.webDatasetKey(names[number])
            if value.kind == .text || labels[key] == nil { labels[key] = value.label }
        }
        return labels
    }
}
