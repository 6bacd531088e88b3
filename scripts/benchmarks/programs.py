"""Both programs, and the ways to run them."""
import contextlib
import functools
import json
import os
import pathlib
import re
import subprocess
from dataclasses import asdict, dataclass
from typing import Any

from cases import Case
from environment import CACHE
from processes import Failed, run, run_json

HERE = pathlib.Path(__file__).resolve().parent
SCRIPTS = HERE.parent
PACKAGE = SCRIPTS.parent
PROGRAM = str(PACKAGE / ".build/release/umae-dist")
OURS, TUNED, INSTALLED = "umae-dist", "PyTorch, tuned", "PyTorch, as installed"


@dataclass(frozen=True)
class Setup:
    """A way to run a program. PyTorch is tuned with `preloads`, and each rank kept on cores of its own."""

    program: str
    precision: str
    ranks: int
    threads: int
    compiles: bool = False
    preloads: tuple[str, ...] = ()
    optimizer: str = "fused"

    def __str__(self) -> str:
        parts = [self.precision, f"{self.ranks} × {self.threads}"]
        return ", ".join(parts + ([] if self.program == OURS else ["compiled" if self.compiles else "eager"]))


def setups(case: Case, program: str, **options: Any) -> list[Setup]:
    """A program in every precision and layout of a case."""
    return [Setup(program, precision, ranks, threads, **options)
            for precision in case.precisions for ranks, threads in case.layouts]


def measure(case: Case, setup: Setup, steps: int, python: str | None) -> dict[str, Any]:
    """What `umae-dist bench --json` or `pytorch_worker.py` says of training steps."""
    if setup.program == OURS:
        return run_json([
            "mpirun", "-n", str(setup.ranks), *_placement(setup.ranks, setup.threads), PROGRAM, "bench", "--json", "--work", case.work,
            *case.flags, "--batch-size", str(case.batch // setup.ranks), "--threads", str(setup.threads),
            "--precision", setup.precision, "--steps", str(steps), "--warmup-steps", "2",
        ])
    assert python
    task = {"pretraining": "train", "features": "features", "fine-tuning": "finetune"}[case.work]
    return launch(python, task, setup, case.flags, batch=case.batch, steps=steps)


def build() -> None:
    """Installs what is missing and builds; what those scripts say is shown as it comes."""
    for command in ([str(SCRIPTS / "install-dependencies")], [str(SCRIPTS / "build"), "--product", "umae-dist"]):
        if status := subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode:
            raise Failed(f"{os.path.basename(command[0])} ended with {status}")


def launch(python: str, task: str, setup: Setup, flags: list[str], **options: Any) -> dict[str, Any]:
    """The JSON object that a task of the PyTorch side prints, for the model that flags of umae-dist say."""
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
    options |= {"task": task, "model": _settings(*flags), "bind": setup.program == TUNED, **asdict(setup)}
    # ViT-L takes minutes to compile.
    return run_json([*launcher, str(HERE / "pytorch_worker.py"), json.dumps(options)], environment, timeout=1800)


@functools.cache
def _settings(*flags: str) -> dict[str, Any]:
    """What umae-dist makes of flags, by their names; settings that follow from others are comments there."""
    lines = re.findall(r"^(?:# )?(\w+): (\S+)$", run([PROGRAM, *flags, "--print-config"]), re.MULTILINE)
    settings: dict[str, Any] = dict(lines)
    for name, text in lines:
        # What is neither a number nor a switch stays text.
        with contextlib.suppress(ValueError):
            settings[name] = json.loads(text)
    return settings


@functools.cache
def _placement(ranks: int, threads: int) -> list[str]:
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
