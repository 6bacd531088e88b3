"""The PyTorch side."""
import json
import pathlib
from dataclasses import asdict, dataclass
from typing import Any

from cases import Case
from environment import CACHE
from processes import run_json

SCRIPT = str(pathlib.Path(__file__).parent / "pytorch_bench.py")


@dataclass(frozen=True)
class Setup:
    """A way to run PyTorch."""

    precision: str
    ranks: int
    threads: int
    compiles: bool
    preloads: tuple[str, ...]

    def __str__(self) -> str:
        parts = [self.precision, f"{self.ranks} × {self.threads}", "compiled" if self.compiles else "eager"]
        return ", ".join(parts + ([] if self.preloads else ["as installed"]))


def setups(case: Case, preloads: list[str], compiles: bool) -> list[Setup]:
    """Every way worth trying: tuned if there are preloads, and as installed."""
    return [
        Setup(precision, ranks, threads, compiled, tuple(loaded))
        for loaded in ([preloads] if preloads else []) + [[]]
        for compiled in ([True, False] if compiles else [False])
        for precision in case.precisions
        for ranks, threads in case.layouts
    ]


def measure(python: str, case: Case, setup: Setup, steps: int) -> dict[str, Any]:
    """What `pytorch_bench.py` says."""
    options = {
        "task": "time", "shape": asdict(case.shape), "batch": case.batch, "precision": setup.precision,
        "ranks": setup.ranks, "threads": setup.threads, "compile": setup.compiles, "steps": steps,
    }
    launcher = [python, "-B"]
    if setup.ranks > 1:
        launcher += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(setup.ranks)]
    environment = {
        "OMP_NUM_THREADS": str(setup.threads), "TORCHINDUCTOR_CACHE_DIR": str(CACHE / "inductor"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    if setup.preloads:
        environment["LD_PRELOAD"] = ":".join(setup.preloads)
    return run_json([*launcher, SCRIPT, json.dumps(options)], environment)
