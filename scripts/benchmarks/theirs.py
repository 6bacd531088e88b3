"""The PyTorch side."""
import json
import os
import pathlib
from dataclasses import asdict, dataclass
from typing import Any

from cases import Case
from environment import CACHE
from processes import run_json

HERE = pathlib.Path(__file__).parent


@dataclass(frozen=True)
class Setup:
    """A way to run PyTorch."""

    precision: str
    ranks: int
    threads: int
    compiles: bool = False
    tuned: bool = False
    """With `preloads`, and each rank kept on cores of its own."""
    preloads: tuple[str, ...] = ()
    optimizer: str = "fused"

    def __str__(self) -> str:
        parts = [self.precision, f"{self.ranks} × {self.threads}", "compiled" if self.compiles else "eager"]
        return ", ".join(parts)


def setups(case: Case, preloads: list[str], compiles: bool, optimizer: str) -> list[Setup]:
    """Every way worth trying: tuned, and as installed, that is without preloads and compilation."""
    tuned = [
        Setup(precision, ranks, threads, compiled, True, tuple(preloads), optimizer)
        for compiled in ([False, True] if compiles else [False])
        for precision in case.precisions
        for ranks, threads in case.layouts
    ]
    installed = [
        Setup(precision, ranks, threads, optimizer=optimizer)
        for precision in case.precisions
        for ranks, threads in case.layouts
    ]
    return tuned + installed


def launch(python: str, script: str, options: dict[str, Any], setup: Setup) -> dict[str, Any]:
    """The JSON object that a script of the PyTorch side prints, run as `setup` says."""
    launcher = [python, "-B"]
    if setup.ranks > 1:
        launcher += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(setup.ranks)]
    environment = {
        "OMP_NUM_THREADS": str(setup.threads), "TORCHINDUCTOR_CACHE_DIR": str(CACHE / "inductor"),
        "PYTHONDONTWRITEBYTECODE": "1",
        # All ranks are on this host, whose name need not be known to any resolver.
        "GLOO_SOCKET_IFNAME": os.environ.get("GLOO_SOCKET_IFNAME", "lo"),
    }
    if setup.preloads:
        environment["LD_PRELOAD"] = ":".join(setup.preloads)
    # ViT-L takes minutes to compile.
    return run_json([*launcher, str(HERE / script), json.dumps(options)], environment, timeout=1800)


def measure(python: str, case: Case, setup: Setup, steps: int) -> dict[str, Any]:
    """What `pytorch_bench.py` says."""
    return launch(python, "pytorch_bench.py", {
        "task": "train", "shape": asdict(case.shape), "batch": case.batch, "precision": setup.precision,
        "ranks": setup.ranks, "threads": setup.threads, "compile": setup.compiles, "bind": setup.tuned,
        "optimizer": setup.optimizer, "steps": steps,
    }, setup)


def fastest_optimizer(python: str, case: Case, preloads: list[str]) -> tuple[str, str]:
    """The faster of PyTorch's AdamW implementations for the model of `case`, and a line that says so."""
    setup = Setup("fp32", 1, 2, tuned=True, preloads=tuple(preloads))
    seconds = launch(python, "pytorch_bench.py", {
        "task": "optimizers", "shape": asdict(case.shape), "ranks": 1, "threads": 2, "bind": True}, setup)
    figures = ", ".join(f"{name} {1e3 * value:.2f} ms" for name, value in seconds.items())
    return min(seconds, key=lambda name: seconds[name]), f"PyTorch AdamW: {figures}"
