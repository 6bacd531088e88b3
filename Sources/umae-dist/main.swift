import Commands
import Communication
import Glibc
import Runs
import Tensors

Console.openClosedStreams()
CrashSignals.endWhenSent()

do {
    let world = try Launcher.join()
    RefusedMemory.whenRefused { message in
        Console.error(world.size > 1 ? "rank \(world.rank): \(message)" : message)
        world.abort(exitCode: ExitCode.failed)
    }
    let code = Dispatcher(world: world).run(Array(CommandLine.arguments.dropFirst()))
    Launcher.leave(world)
    exit(code)
} catch {
    if Launcher.speaks { Console.error("\(error)") }
    exit(error is LauncherError ? ExitCode.usage : ExitCode.failed)
}
