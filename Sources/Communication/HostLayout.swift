/// How the ranks of a run lie on hosts; the same on every rank.
package struct HostLayout: Equatable, Sendable {
    package let ranks: Int
    package let hosts: Int
    /// Ranks of the host that has most of them.
    package let ranksPerHost: Int

    package init(ranks: Int, hosts: Int, ranksPerHost: Int) {
        precondition(hosts >= 1 && ranksPerHost >= 1 && ranks >= ranksPerHost && ranks <= hosts * ranksPerHost)
        self.ranks = ranks
        self.hosts = hosts
        self.ranksPerHost = ranksPerHost
    }

    /// Whether hosts talk to each other, and several ranks of each do.
    package var sharesLinks: Bool { hosts > 1 && ranksPerHost > 1 }
}
