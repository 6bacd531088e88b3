package import Communication
package import Runs

extension Reporter {
    /// Speaks for all ranks to whoever is at the console.
    package convenience init(in world: any Communicator) {
        self.init(
            isSilent: world.rank != 0, isTerminal: Console.isTerminal, width: { Console.width },
            write: { text in world.during(.printing) { Console.write(text) } })
    }
}
