"""The command line of scripts/bench-vs-pytorch."""
import argparse
import os
import pathlib
import shutil
from typing import NoReturn

from cases import CASES


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def parse() -> argparse.Namespace:
    """The options, checked; `cases` are Case objects."""
    names = ", ".join(case.name for case in CASES)
    parser = Parser(
        prog="bench-vs-pytorch", allow_abbrev=False,
        description="Training steps of umae-dist against PyTorch at its best here: forward, both losses, backward, "
        "AdamW. First every way to run each is tried once; then the best of both take turns.",
        epilog="The first run makes a Python environment with PyTorch, several GB, in the user's cache directory. "
        "Where that fails, umae-dist is measured alone.")
    parser.add_argument("--cases", help=f"comma-separated: {names} (default: all)")
    parser.add_argument("--rounds", type=int, help="turns of each after the survey (default: 3)")
    parser.add_argument("--steps", type=int, help="steps of each measurement (default: the case's)")
    parser.add_argument("--quick", action="store_true", help="cases of minutes alone, one round, fewer steps")
    parser.add_argument("--skip-compile", action="store_true", help="PyTorch without torch.compile")
    parser.add_argument("--python", help="an interpreter that has torch, torchvision, timm and safetensors")
    parser.add_argument("--no-pytorch", action="store_true", help="umae-dist alone")
    parser.add_argument("--load", type=int, default=0, metavar="N",
                        help="N busy loops beside both programs, on the same cores at the same priority; implies "
                        "--no-write")
    parser.add_argument("--no-write", action="store_true", help="leave docs/performance.md as it is")
    options = parser.parse_args()

    known = {case.name: case for case in CASES}
    if options.cases is None:
        options.cases = [case for case in CASES if case.quick or not options.quick]
    else:
        chosen = dict.fromkeys(options.cases.split(","))
        for name in chosen:
            if name not in known:
                parser.error(f"there is no case '{name}': choose from {names}")
        options.cases = [known[name] for name in chosen]
    for flag in ("rounds", "steps"):
        value = getattr(options, flag)
        if value is not None and value < 1:
            parser.error(f"--{flag} is {value}: it must be at least 1")
    if options.load < 0:
        parser.error(f"--load is {options.load}: it must be at least 0")
    # The page is of a quiet machine.
    options.no_write = options.no_write or options.load > 0
    if options.rounds is None:
        options.rounds = 1 if options.quick else 3
    if options.python is not None:
        if options.no_pytorch:
            parser.error("--python and --no-pytorch exclude each other")
        found = shutil.which(options.python)
        if found is None:
            parser.error(f"--python is '{options.python}': there is no such program")
        # Not resolved: through its links a virtual environment's interpreter is the system's.
        options.python = os.path.abspath(pathlib.Path(found))
    return options
