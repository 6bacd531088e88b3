"""The umae-dist side."""
import pathlib
from typing import Any

from cases import Case
from processes import run_json

PACKAGE = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = str(PACKAGE / ".build/release/umae-dist")


def measure(case: Case, precision: str, ranks: int, threads: int, steps: int) -> dict[str, Any]:
    """What `umae-dist bench --json` says."""
    command = [
        PROGRAM, "bench", "--json", *case.shape.flags(), "--batch-size", str(case.batch // ranks), "--threads",
        str(threads), "--precision", precision, "--steps", str(steps), "--warmup-steps", "2",
    ]
    if ranks > 1:
        command = ["mpirun", "-n", str(ranks), "--oversubscribe", "--bind-to", "none", *command]
    return run_json(command)
