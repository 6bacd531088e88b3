"""The umae-dist side."""
import functools
import os
import pathlib
import subprocess
from typing import Any

from cases import Case
from processes import Failed, run, run_json

SCRIPTS = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = SCRIPTS.parent
PROGRAM = str(PACKAGE / ".build/release/umae-dist")


def build() -> None:
    """Installs what is missing and builds; what those scripts say is shown as it comes."""
    for command in ([str(SCRIPTS / "install-dependencies")], [str(SCRIPTS / "build"), "--product", "umae-dist"]):
        if status := subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode:
            raise Failed(f"{os.path.basename(command[0])} ended with {status}")


@functools.cache
def placement(ranks: int, threads: int) -> list[str]:
    """Options of mpirun that give each thread a core, the same that scripts/run uses."""
    usable = len(os.sched_getaffinity(0))
    if usable < (os.cpu_count() or 1):
        # mpirun would bind to the first cores of the machine; unbound, ranks stay on those of this program.
        return ["--oversubscribe", "--bind-to", "none"]
    text = run([
        "bash", "-c", 'source "$1/open-mpi-environment"; place_ranks "$2" "$3" "$4"; printf "%s\\n" "${placement[@]}"',
        "bash", str(SCRIPTS), str(ranks), str(threads), str(usable),
    ])
    return text.split()


def measure(case: Case, precision: str, ranks: int, threads: int, steps: int) -> dict[str, Any]:
    """What `umae-dist bench --json` says."""
    return run_json([
        "mpirun", "-n", str(ranks), *placement(ranks, threads), PROGRAM, "bench", "--json", *case.shape.flags(),
        "--batch-size", str(case.batch // ranks), "--threads", str(threads), "--precision", precision, "--steps",
        str(steps), "--warmup-steps", "2",
    ])
