"""What is kept of a comparison: every figure as it came, and the newest result of each case."""
import datetime
import json
import pathlib
from typing import Any

from environment import CACHE


class Records:
    """Files in the cache directory: `runs` gets a line of JSON per measurement, `summary` holds the cases' results."""

    def __init__(self) -> None:
        folder = CACHE / "bench-vs-pytorch"
        folder.mkdir(parents=True, exist_ok=True)
        self.runs: pathlib.Path = folder / f"runs-{datetime.datetime.now():%Y%m%d-%H%M%S}.jsonl"
        self._summary: pathlib.Path = folder / "summary.json"
        self.results: dict[str, dict[str, Any]] = {}
        try:
            self.results = json.loads(self._summary.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            # None yet, or one that was cut short.
            pass

    def add_run(self, **figures: Any) -> None:
        """One measurement."""
        with open(self.runs, "a", encoding="utf-8") as file:
            file.write(json.dumps(figures, ensure_ascii=False) + "\n")

    def set_result(self, name: str, result: dict[str, Any], keeps: bool = True) -> None:
        """The result of a case, in place of an older one; unless `keeps`, for this run alone."""
        self.results[name] = result
        if not keeps:
            return
        temporary = self._summary.with_suffix(".new")
        temporary.write_text(json.dumps(self.results, indent=1, ensure_ascii=False), encoding="utf-8")
        temporary.replace(self._summary)
