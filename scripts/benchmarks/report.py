"""The table, for a terminal and for docs/performance.md."""
import datetime
import os
import pathlib
import re
import statistics
from typing import Any

from cases import CASES

BEGIN, END = "<!-- bench-vs-pytorch:begin -->", "<!-- bench-vs-pytorch:end -->"
HEADER = [
    "case", "umae-dist", "share of peak", "PyTorch, tuned", "ratio (spread)", "PyTorch, as installed", "ratio",
]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f}× ({min(ratios):.2f}–{max(ratios):.2f})"


def row(result: dict[str, Any]) -> list[str]:
    """The cells of one case."""
    memory = result["memory"]
    figure = (lambda v: f"{v / 2**20:,.0f} MiB") if memory else (lambda v: f"{_number(v)} images/s")
    ours = statistics.median(result["ours"])
    cells = [result["title"], f"{figure(ours)} ({result['ours_setup']})"]
    cells.append("" if memory else f"{100 * statistics.median(result['shares']):.0f}%")
    if not result["theirs"]:
        return cells + ["–"] * 4
    theirs = statistics.median(result["theirs"])
    cells += [f"{figure(theirs)} ({result['theirs_setup']})"]
    cells.append(_spread([a / b for a, b in zip(result["ours"], result["theirs"])]))
    installed = result["installed"]
    if installed is None:
        return cells + ["–", "–"]
    return cells + [f"{figure(installed)} ({result['installed_setup']})", f"{ours / installed:.2f}×"]


def machine(torch_line: str) -> str:
    """The computer and the programs, in a line."""
    names = re.findall(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    cores = len(os.sched_getaffinity(0))
    return f"{names[0] if names else 'CPU'}, {cores} cores; {torch_line}; {datetime.date.today().isoformat()}"


def text(results: dict[str, Any]) -> str:
    """All cases as lines of a terminal."""
    lines = []
    for case in CASES:
        if case.name in results:
            cells = dict(zip(HEADER, row(results[case.name])))
            lines.append(cells.pop("case"))
            lines += [f"  {name:<22}{value}" for name, value in cells.items() if value]
    return "\n".join(lines)


def markdown(results: dict[str, Any]) -> str:
    """All cases as a table."""
    lines = ["| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
    lines += ["| " + " | ".join(row(results[case.name])) + " |" for case in CASES if case.name in results]
    notes = sorted({results[name]["machine"] for name in results})
    return "\n".join(lines) + "\n\n" + "\n".join(f"Measured on {note}." for note in notes)


def write(page: pathlib.Path, results: dict[str, Any]) -> bool:
    """Puts the table between its marks in `page`; False if there are none."""
    content = page.read_text(encoding="utf-8") if page.exists() else ""
    if BEGIN not in content or END not in content:
        return False
    head, tail = content.split(BEGIN)[0], content.split(END)[1]
    page.write_text(f"{head}{BEGIN}\n{markdown(results)}\n{END}{tail}", encoding="utf-8")
    return True
