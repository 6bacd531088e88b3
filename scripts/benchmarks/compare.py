"""The driver of scripts/bench-vs-pytorch."""
import argparse
import json
import os
import sys
from typing import Any

import environment
import ours
import parity
import report
import theirs
from cases import CASES, Case
from processes import Failed


def arguments() -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(
        prog="bench-vs-pytorch",
        description="Training steps of umae-dist against PyTorch at its best here: forward, both losses, backward, AdamW. "
        "First every way to run each is tried once; then the best of both take turns.",
        epilog="The first run makes a Python environment with PyTorch, several GB. Where that fails, umae-dist is "
        "measured alone.")
    names = ", ".join(case.name for case in CASES)
    parser.add_argument("--cases", help=f"comma-separated: {names} (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each after the survey (default: 3)")
    parser.add_argument("--quick", action="store_true", help="small cases, one round, fewer steps")
    parser.add_argument("--skip-compile", action="store_true", help="PyTorch without torch.compile")
    parser.add_argument("--python", help="an interpreter that has torch, timm and safetensors")
    parser.add_argument("--no-pytorch", action="store_true", help="umae-dist alone")
    parser.add_argument("--no-write", action="store_true", help="leave docs/performance.md as it is")
    options = parser.parse_args()
    known = {case.name: case for case in CASES}
    chosen = options.cases.split(",") if options.cases else [c.name for c in CASES if c.quick or not options.quick]
    for name in chosen:
        if name not in known:
            parser.error(f"there is no case '{name}': choose from {names}")
    if options.rounds < 1:
        parser.error(f"--rounds is {options.rounds}: it must be at least 1")
    options.cases = [known[name] for name in chosen]
    return options


def say(line: str) -> None:
    """Progress, at once."""
    print(line, flush=True)


class Comparison:
    """Measurements of one case."""

    def __init__(self, case: Case, python: str | None, preloads: list[str], options: argparse.Namespace) -> None:
        self.case = case
        self.python = python
        self.preloads = preloads
        self.compiles = not options.skip_compile
        self.rounds = 1 if options.quick else options.rounds
        self.steps = max(2, case.steps // (4 if options.quick else 1))

    def _value(self, result: dict[str, Any]) -> float:
        return result["peak_memory_bytes" if self.case.compares_memory else "images_per_second"]

    def _best(self, found: list[tuple[float, Any]]) -> Any:
        """Of (images/s, setup), the fastest; memory is compared at the fastest setup too."""
        return max(found, key=lambda pair: pair[0])[1] if found else None

    def _tell(self, name: str, setup: object, result: dict[str, Any]) -> None:
        say(f"  {name:<10}{str(setup):<40}{result['images_per_second']:10.2f} images/s "
            f"{result['peak_memory_bytes'] / 2**20:8.0f} MiB per rank")

    def run(self) -> dict[str, Any]:
        """Survey, then turns."""
        say(self.case.title)
        best = self._best([
            (self._our_turn((precision, ranks, threads))["images_per_second"], (precision, ranks, threads))
            for precision in self.case.precisions for ranks, threads in self.case.layouts
        ])
        tuned, installed, installed_value = None, None, None
        if self.python:
            surveyed = []
            for setup in theirs.setups(self.case, self.preloads, self.compiles):
                try:
                    surveyed.append((setup, self._their_turn(setup)))
                except Failed as reason:
                    say(f"  PyTorch, {setup}: {reason}")
            speeds = [(result["images_per_second"], (setup, result)) for setup, result in surveyed]
            tuned = self._best(speeds)
            plain = self._best([pair for pair in speeds if not pair[1][0].preloads])
            if plain:
                installed, installed_value = str(plain[0]), self._value(plain[1])
        own, other, shares = [], [], []
        for _ in range(self.rounds):
            result = self._our_turn(best)
            own.append(self._value(result))
            shares.append(result["fraction_of_peak"])
            if tuned:
                other.append(self._value(self._their_turn(tuned[0])))
        return {
            "title": self.case.title, "memory": self.case.compares_memory, "ours": own, "shares": shares,
            "ours_setup": f"{best[0]}, {best[1]} × {best[2]}", "theirs": other,
            "theirs_setup": str(tuned[0]) if tuned else None, "installed": installed_value,
            "installed_setup": installed,
        }

    def _our_turn(self, setup: tuple[str, int, int]) -> dict[str, Any]:
        precision, ranks, threads = setup
        result = ours.measure(self.case, precision, ranks, threads, self.steps)
        self._tell("umae-dist", f"{precision}, {ranks} × {threads}", result)
        return result

    def _their_turn(self, setup: theirs.Setup) -> dict[str, Any]:
        assert self.python
        result = theirs.measure(self.python, self.case, setup, self.steps)
        self._tell("PyTorch", setup, result)
        return result


def main() -> int:
    """Exit status."""
    options = arguments()
    python, preloads = None, []
    torch_line = "PyTorch not measured"
    if not options.no_pytorch:
        python, torch_line = environment.find_python(options.python)
        if python:
            preloads, lines = environment.preloads()
            for line in [torch_line, *lines]:
                say(line)
            say(parity.check(python))
        else:
            say(f"{torch_line}; umae-dist is measured alone")
            torch_line = "PyTorch not measured"
    if len(os.sched_getaffinity(0)) != 2:
        say("note: the layouts are 2 ranks × 1 thread and 1 × 2; give this two cores, as with taskset --cpu-list 0,1")
    store = environment.CACHE / "bench-vs-pytorch.json"
    results: dict[str, Any] = {}
    if store.exists():
        results = json.loads(store.read_text(encoding="utf-8"))
    machine = report.machine(torch_line)
    for case in options.cases:
        results[case.name] = {**Comparison(case, python, preloads, options).run(), "machine": machine}
        # After each case, so that a run that is cut short keeps what it has.
        environment.CACHE.mkdir(parents=True, exist_ok=True)
        store.write_text(json.dumps(results, indent=1), encoding="utf-8")
    say("")
    say(report.text({case.name: results[case.name] for case in options.cases}))
    say(f"\nall figures: {store}")
    page = ours.PACKAGE / "docs/performance.md"
    if not options.no_write and report.write(page, results):
        say(f"table written to {page}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as reason:
        sys.exit(f"bench-vs-pytorch: {reason}")
    except KeyboardInterrupt:
        sys.exit("bench-vs-pytorch: interrupted")
