"""One case: a survey of every way to run each program, then turns of the best."""
from dataclasses import asdict, dataclass
from typing import Any

from cases import Case
from processes import Failed
from programs import INSTALLED, OURS, TUNED, Setup, launch, measure, setups
from records import Records

Result = dict[str, Any]


def say(line: str) -> None:
    """Progress, at once."""
    print(line, flush=True)


@dataclass(frozen=True)
class Conditions:
    """What holds for all cases of a run."""

    python: str | None
    """None measures umae-dist alone."""
    preloads: tuple[str, ...]
    compiles: bool
    rounds: int
    quick: bool
    steps: int | None
    load: int = 0
    """Busy loops beside both programs."""


class Comparison:
    """Measurements of one case."""

    def __init__(self, case: Case, conditions: Conditions, records: Records) -> None:
        self.case = case
        self.conditions = conditions
        self.records = records
        self.steps = conditions.steps or max(2, case.steps // (4 if conditions.quick else 1))
        self.phase = "survey"

    def run(self) -> Result:
        """Survey, then turns; raises `Failed` if one of the programs cannot be measured."""
        say(f"\n{self.case.title}")
        best = {"ours": self._best(self._survey(setups(self.case, OURS)))}
        if not best["ours"]:
            raise Failed("umae-dist could not be measured")
        if self.conditions.python:
            surveyed = self._survey(self._their_setups())
            # Of all, should PyTorch be fastest as it is installed.
            best["theirs"] = self._best(surveyed)
            best["installed"] = self._best([pair for pair in surveyed if pair[0].program == INSTALLED])
            if not best["theirs"]:
                raise Failed("PyTorch could not be measured")
        result: Result = {
            "title": self.case.title, "memory": self.case.compares_memory, "rounds": self.conditions.rounds,
            "steps": self.steps, "shares": [], "theirs": [], "installed": [],
        }
        for key, setup in best.items():
            result |= {f"{key}_setup": str(setup), key: []}
        for turn in range(1, self.conditions.rounds + 1):
            self.phase = f"round {turn}"
            for key, setup in best.items():
                if setup:
                    figures = self._measure(setup)
                    result[key].append(self._figure(figures))
                    if key == "ours":
                        result["shares"].append(figures["fraction_of_peak"])
        return result

    def _their_setups(self) -> list[Setup]:
        """Every way worth trying: tuned, and as installed, that is without preloads and compilation."""
        assert self.conditions.python
        preloads = self.conditions.preloads
        seconds = launch(
            self.conditions.python, "optimizers", Setup(TUNED, "fp32", 1, 2, preloads=preloads), self.case.flags)
        figures = ", ".join(f"{name} {1e3 * value:.2f} ms" for name, value in seconds.items())
        say(f"  PyTorch AdamW: {figures}")
        optimizer = min(seconds, key=lambda name: seconds[name])
        tuned = [
            setup for compiles in ([False, True] if self.conditions.compiles else [False])
            for setup in setups(self.case, TUNED, compiles=compiles, preloads=preloads, optimizer=optimizer)
        ]
        return tuned + setups(self.case, INSTALLED, optimizer=optimizer)

    def _survey(self, candidates: list[Setup]) -> list[tuple[Setup, float]]:
        """Every setup that works, with its figure."""
        found = []
        for setup in candidates:
            try:
                found.append((setup, self._figure(self._measure(setup))))
            except Failed as reason:
                say(f"  {self.phase:<8} left out: {setup.program}, {setup}: {reason}")
        return found

    def _best(self, found: list[tuple[Setup, float]]) -> Setup | None:
        """The setup with the most images/s; where memory is compared, with the least of it."""
        choose = min if self.case.compares_memory else max
        return choose(found, key=lambda pair: pair[1])[0] if found else None

    def _figure(self, result: Result) -> float:
        return result["peak_memory_bytes" if self.case.compares_memory else "images_per_second"]

    def _measure(self, setup: Setup) -> Result:
        result = measure(self.case, setup, self.steps, self.conditions.python)
        say(f"  {self.phase:<8} {setup.program:<22}{str(setup):<22}{result['images_per_second']:10.2f} images/s "
            f"{result['peak_memory_bytes'] / 2**20:8.0f} MiB per rank")
        self.records.add_run(
            case=self.case.name, phase=self.phase, load=self.conditions.load, **asdict(setup), result=result)
        return result
