"""Runs programs so that none outlives this one."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time
import uuid
from typing import Any, Iterator

MARK = "UMAE_BENCH_PROCESS"


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
    mark = str(uuid.uuid4())
    try:
        process = subprocess.Popen(
            command, env={**os.environ, **(environment or {}), MARK: mark}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True)
    except OSError as reason:
        raise Failed(str(reason)) from None
    try:
        output, errors = process.communicate(timeout=timeout)
    except BaseException as reason:
        _end(process, mark)
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
    return (said or lines[-1:] or ["it said nothing"])[0][:300]


def _end(process: subprocess.Popen[str], mark: str) -> None:
    """Ends `process` and all that came of it, those in groups of their own included, as launchers' workers are."""
    # Once the leader has been waited for, its number may be another's.
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and (process.poll() is None or _family(mark)):
        time.sleep(0.1)
    for pid in _family(mark):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.communicate()


def _family(mark: str) -> list[int]:
    """The processes that were started with `mark` in their environment, as all are that a marked one starts."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        # Others' processes cannot be read, and some have ended meanwhile.
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and f"{MARK}={mark}".encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found
