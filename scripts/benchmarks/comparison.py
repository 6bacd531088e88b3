"""One case: a survey of every way to run each program, then turns of the best."""
import dataclasses
from typing import Any, Callable

import ours
import theirs
from cases import Case
from processes import Failed
from records import Records

OurSetup = tuple[str, int, int]
Result = dict[str, Any]


def say(line: str) -> None:
    """Progress, at once."""
    print(line, flush=True)


@dataclasses.dataclass(frozen=True)
class Conditions:
    """What holds for all cases of a run."""

    python: str | None
    """None measures umae-dist alone."""
    preloads: list[str]
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
        own = self._best(self._survey([
            (precision, ranks, threads) for precision in self.case.precisions for ranks, threads in self.case.layouts
        ], self._our_turn))
        if own is None:
            raise Failed("umae-dist could not be measured")
        tuned, installed = self._their_best() if self.conditions.python else (None, None)
        result: Result = {
            "title": self.case.title, "memory": self.case.compares_memory, "rounds": self.conditions.rounds,
            "steps": self.steps, "ours_setup": self._our_name(own), "ours": [], "shares": [],
            "theirs_setup": str(tuned) if tuned else None, "theirs": [],
            "installed_setup": str(installed) if installed else None, "installed": [],
        }
        for turn in range(1, self.conditions.rounds + 1):
            self.phase = f"round {turn}"
            figures = self._our_turn(own)
            result["ours"].append(self._figure(figures))
            result["shares"].append(figures["fraction_of_peak"])
            for key, setup in (("theirs", tuned), ("installed", installed)):
                if setup:
                    result[key].append(self._figure(self._their_turn(setup)))
        return result

    def _their_best(self) -> tuple[theirs.Setup | None, theirs.Setup | None]:
        """The best as tuned and as installed."""
        assert self.conditions.python
        optimizer, line = theirs.fastest_optimizer(self.conditions.python, self.case, self.conditions.preloads)
        say(f"  {line}")
        surveyed = self._survey(
            theirs.setups(self.case, self.conditions.preloads, self.conditions.compiles, optimizer), self._their_turn)
        if not surveyed:
            raise Failed("PyTorch could not be measured")
        installed = self._best([pair for pair in surveyed if not pair[0].tuned])
        # Of all, should it be fastest as it is installed.
        return self._best(surveyed), installed

    def _survey(self, setups: list[Any], turn: Callable[[Any], Result]) -> list[tuple[Any, float]]:
        """Every setup that works, with its figure."""
        found = []
        for setup in setups:
            try:
                found.append((setup, self._figure(turn(setup))))
            except Failed as reason:
                name = self._our_name(setup) if isinstance(setup, tuple) else f"PyTorch, {setup}"
                say(f"  {self.phase:<8} left out: {name}: {reason}")
        return found

    def _figure(self, result: Result) -> float:
        return result["peak_memory_bytes" if self.case.compares_memory else "images_per_second"]

    def _best(self, found: list[tuple[Any, float]]) -> Any:
        """The setup with the most images/s; where memory is compared, with the least of it."""
        choose = min if self.case.compares_memory else max
        return choose(found, key=lambda pair: pair[1])[0] if found else None

    def _our_name(self, setup: OurSetup) -> str:
        return f"{setup[0]}, {setup[1]} × {setup[2]}"

    def _our_turn(self, setup: OurSetup) -> Result:
        result = ours.measure(self.case, *setup, self.steps)
        self._note("umae-dist", self._our_name(setup), {"setup": setup}, result)
        return result

    def _their_turn(self, setup: theirs.Setup) -> Result:
        assert self.conditions.python
        result = theirs.measure(self.conditions.python, self.case, setup, self.steps)
        name = "PyTorch, tuned" if setup.tuned else "PyTorch, as installed"
        self._note(name, str(setup), {"setup": dataclasses.asdict(setup)}, result)
        return result

    def _note(self, program: str, setup: str, details: dict[str, Any], result: Result) -> None:
        say(f"  {self.phase:<8} {program:<22}{setup:<22}{result['images_per_second']:10.2f} images/s "
            f"{result['peak_memory_bytes'] / 2**20:8.0f} MiB per rank")
        self.records.add_run(
            case=self.case.name, phase=self.phase, program=program, load=self.conditions.load, **details, result=result)
