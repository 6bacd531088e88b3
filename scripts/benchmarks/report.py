"""The table, for a terminal and for docs/performance.md."""
import datetime
import os
import pathlib
import re
import statistics
from typing import Any

from cases import CASES
from programs import PACKAGE

PAGE = PACKAGE / "docs/performance.md"
BEGIN, END = "<!-- bench-vs-pytorch:begin -->", "<!-- bench-vs-pytorch:end -->"
HEADER = [
    "case", "umae-dist", "share of peak", "PyTorch, tuned", "ratio (of rounds)", "PyTorch, as installed",
    "ratio (of rounds)",
]
LEGEND = (
    "Medians of the rounds; a ratio is umae-dist over PyTorch, its median and spread over the rounds. Setups are "
    "precision, ranks × threads.")
Result = dict[str, Any]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _ratio(ours: list[float], theirs: list[float]) -> str:
    ratios = [a / b for a, b in zip(ours, theirs)]
    return f"{statistics.median(ratios):.2f}× ({min(ratios):.2f}–{max(ratios):.2f})"


def row(result: Result) -> list[str]:
    """The cells of one case."""

    def figure(values: list[float], setup: str) -> str:
        median = statistics.median(values)
        amount = f"{median / 2**20:,.0f} MiB" if result["memory"] else f"{_number(median)} images/s"
        return f"{amount} ({setup})"

    cells = [result["title"], figure(result["ours"], result["ours_setup"])]
    cells.append("" if result["memory"] else f"{100 * statistics.median(result['shares']):.0f}%")
    for key in ("theirs", "installed"):
        if result[key]:
            cells += [figure(result[key], result[f"{key}_setup"]), _ratio(result["ours"], result[key])]
        else:
            cells += ["–", "–"]
    return cells


def machine(pytorch: str) -> str:
    """The computer and the programs, in a line."""
    names = re.findall(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    cores = len(os.sched_getaffinity(0))
    return (f"{names[0] if names else 'CPU'}, {cores} core{'s' if cores > 1 else ''}; {pytorch}; "
            f"{datetime.date.today().isoformat()}")


def _notes(results: dict[str, Result]) -> list[str]:
    """Where and when each case was measured, cases of the same run in one line."""
    cases: dict[str, list[str]] = {}
    for case in CASES:
        if case.name in results:
            result = results[case.name]
            rounds = result["rounds"]
            cases.setdefault(f"{result['machine']}; {rounds} round{'s' if rounds > 1 else ''}", []).append(case.name)
    return [f"{', '.join(names)}: {note}." for note, names in cases.items()]


def text(results: dict[str, Result]) -> str:
    """Cases as blocks of lines, which fit a terminal where a table of these columns does not."""
    lines = []
    for case in CASES:
        if case.name in results:
            title, *cells = row(results[case.name])
            lines.append(title)
            lines += [f"  {name:<24}{cell}" for name, cell in zip(HEADER[1:], cells) if cell]
    return "\n".join(lines + _notes(results))


def markdown(results: dict[str, Result]) -> str:
    """Cases as a table."""
    lines = ["| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
    lines += ["| " + " | ".join(row(results[case.name])) + " |" for case in CASES if case.name in results]
    return "\n".join([*lines, "", LEGEND, "", *[f"- {note}" for note in _notes(results)]])


def write(results: dict[str, Result]) -> None:
    """Puts the table between its marks in docs/performance.md; at the end, with marks, where there are none."""
    content = PAGE.read_text(encoding="utf-8") if PAGE.exists() else "# Performance\n"
    if BEGIN not in content or END not in content:
        content = f"{content.rstrip()}\n\n## Against PyTorch\n\n{BEGIN}\n{END}\n"
    head, rest = content.split(BEGIN, 1)
    PAGE.write_text(f"{head}{BEGIN}\n{markdown(results)}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")
