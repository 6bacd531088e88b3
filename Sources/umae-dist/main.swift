import Communication
import Glibc

// A reader that goes away, such as `head`, must not end a training run.
signal(SIGPIPE, SIG_IGN)
CrashSignals.endWhenSent()

do {
    let world = try Launcher.join()
    let code = Dispatcher(world: world).run(Array(CommandLine.arguments.dropFirst()))
    Launcher.leave(world)
    exit(code)
} catch {
    Console.error("\(error)")
    exit(1)
}
