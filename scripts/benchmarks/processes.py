"""Runs programs so that none outlives this one."""
import json
import os
import signal
import subprocess
from typing import Any


class Failed(Exception):
    """A program that ended badly, with the end of what it said."""


def run(command: list[str], environment: dict[str, str] | None = None, timeout: float = 900) -> str:
    """Standard output of `command`, which runs in a process group of its own."""
    process = subprocess.Popen(
        command, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True)
    try:
        output, errors = process.communicate(timeout=timeout)
    except BaseException as reason:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        if isinstance(reason, subprocess.TimeoutExpired):
            raise Failed(f"{command[0]} still ran after {timeout:.0f} s") from None
        raise
    if process.returncode != 0:
        lines = (errors or output).strip().splitlines()
        raise Failed(f"{command[0]} ended with {process.returncode}: " + " / ".join(lines[-3:]))
    return output


def run_json(command: list[str], environment: dict[str, str] | None = None, timeout: float = 900) -> dict[str, Any]:
    """The JSON object that `command` prints last."""
    output = run(command, environment, timeout)
    start = output.find("{")
    if start < 0:
        raise Failed(f"{command[0]} printed no result")
    return json.loads(output[start:])
