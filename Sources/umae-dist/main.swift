import Communication
import Glibc

Console.openClosedStreams()
CrashSignals.endWhenSent()

do {
    let world = try Launcher.join()
    let code = Dispatcher(world: world).run(Array(CommandLine.arguments.dropFirst()))
    Launcher.leave(world)
    exit(code)
} catch {
    if Launcher.speaks { Console.error("\(error)") }
    exit(error is LauncherError ? ExitCode.usage : ExitCode.failed)
}
