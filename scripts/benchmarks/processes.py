"""Runs programs so that none outlives this one."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time
from typing import Any, Iterator


class Failed(Exception):
    """A program that ended badly, with the end of what it said."""


def end_on_signals() -> None:
    """Lets SIGTERM and SIGHUP end this program as Ctrl-C does, so that what it started ends too."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def run(command: list[str], environment: dict[str, str] | None = None, timeout: float = 900) -> str:
    """Standard output of `command`, which runs in a process group of its own."""
    process = subprocess.Popen(
        command, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True)
    try:
        output, errors = process.communicate(timeout=timeout)
    except BaseException as reason:
        _end(process)
        if isinstance(reason, subprocess.TimeoutExpired):
            raise Failed(f"{_name(command)} still ran after {timeout:.0f} s") from None
        raise
    if process.returncode != 0:
        lines = [line.strip() for line in (errors.strip() or output).splitlines() if line.strip()]
        raise Failed(f"{_name(command)} ended with {process.returncode}: {_telling(lines)}")
    return output


def run_json(command: list[str], environment: dict[str, str] | None = None, timeout: float = 900) -> dict[str, Any]:
    """The JSON object that `command` prints, its other lines left out."""
    output = run(command, environment, timeout)
    start, end = output.find("{"), output.rfind("}")
    try:
        return json.loads(output[start : end + 1])
    except ValueError:
        raise Failed(f"{_name(command)} printed no result") from None


@contextlib.contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """Keeps that many processes busy, on the cores of this one, until the block is left."""
    loops = [subprocess.Popen(["sh", "-c", "while :; do :; done"], stdin=subprocess.DEVNULL, start_new_session=True)
             for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def _name(command: list[str]) -> str:
    """What of a command tells it from others: the script where an interpreter runs one."""
    scripts = [part for part in command if part.endswith(".py")]
    return pathlib.Path(scripts[0] if scripts else command[0]).name


def _telling(lines: list[str]) -> str:
    """The line of an error output that most likely says why; launchers put summaries after it."""
    said = [line for line in lines if "Error" in line or line.lower().startswith("error")]
    return (said or lines or ["it said nothing"])[-1 if not said else 0][:300]


def _end(process: subprocess.Popen[str]) -> None:
    """Ends `process` and all that came of it, those in groups of their own included, as launchers' workers are."""
    family = _descendants(process.pid)
    _signal_group(process, signal.SIGTERM)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and (process.poll() is None or any(_is_alive(member) for member in family)):
        time.sleep(0.1)
    _signal_group(process, signal.SIGKILL)
    for pid, started in family:
        if _is_alive((pid, started)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    process.communicate()


def _signal_group(process: subprocess.Popen[str], number: signal.Signals) -> None:
    # Once the leader has been waited for, its number may be another's.
    if process.returncode is None:
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the name: state, parent, ...; None if there is no such process."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None


def _descendants(root: int) -> list[tuple[int, str]]:
    """(pid, start time) of the processes below `root`; both together name a process for good."""
    children: dict[int, list[tuple[int, str]]] = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append((int(entry.name), fields[19]))
    found: list[tuple[int, str]] = []
    waiting = [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += [pid for pid, _ in below]
    return found


def _is_alive(member: tuple[int, str]) -> bool:
    fields = _stat(member[0])
    return fields is not None and fields[19] == member[1] and fields[0] != "Z"
