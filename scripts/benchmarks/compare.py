"""The driver of scripts/bench-vs-pytorch."""
import argparse
import os
import sys

import environment
import options
import parity
import programs
import report
import tuning
from comparison import Comparison, Conditions, say
from processes import Failed, busy_loops, end_on_signals
from records import Records


def announce(chosen: argparse.Namespace) -> None:
    """What is about to happen, before anything does."""
    say(f"measures {', '.join(case.name for case in chosen.cases)}; after a survey {chosen.rounds} "
        f"round{'s' if chosen.rounds > 1 else ''}, umae-dist and PyTorch in turn, on the same two cores"
        + beside(chosen.load))
    if chosen.no_pytorch:
        say("PyTorch is left out")
    elif not chosen.python:
        say(f"PyTorch gets a Python environment of several GB in {environment.HOME}, made once; --python PATH uses "
            "another, --no-pytorch none")
    if not chosen.no_write:
        say(f"the table goes into {report.PAGE}; --no-write leaves it")


def beside(load: int) -> str:
    """What else is at work, for a sentence or a title."""
    return f", beside {load} busy loop{'s' if load > 1 else ''}" if load else ""


def conditions(chosen: argparse.Namespace) -> tuple[Conditions, str]:
    """PyTorch made ready and held against umae-dist; and its version, or that it is not measured."""
    python, preloads, compiles, version = None, [], False, "PyTorch not measured"
    if not chosen.no_pytorch:
        python, line = environment.find_python(chosen.python)
        say(line if python else f"{line}; umae-dist is measured alone")
    if python:
        version = line
        preloads, lines = tuning.preloads()
        reason = "--skip-compile" if chosen.skip_compile else tuning.why_not_compile(python)
        compiles = reason is None
        lines.append("PyTorch, tuned: eager and torch.compile" if compiles else f"PyTorch: no torch.compile: {reason}")
        say("\n".join(lines))
        say("\n".join(parity.check(python)))
    return Conditions(
        python, tuple(preloads), compiles, chosen.rounds, chosen.quick, chosen.steps, chosen.load), version


def main() -> int:
    """Exit status."""
    chosen = options.parse()
    end_on_signals()
    announce(chosen)
    programs.build()
    cores = tuning.cores()
    if len(cores) < 2:
        say("note: there is one core only, which the two ranks or threads share")
    elif len(os.sched_getaffinity(0)) > 2:
        say(f"of this machine, CPUs {cores[0]} and {cores[1]} are used")
    os.sched_setaffinity(0, cores)
    shared, version = conditions(chosen)

    records = Records()
    machine = report.machine(version)
    measured, failed = [], False
    for case in chosen.cases:
        try:
            with busy_loops(chosen.load):
                result = Comparison(case, shared, records).run()
        except Failed as reason:
            say(f"  {case.name} is left out: {reason}")
            failed = True
            continue
        # After each case, so that a run that is cut short keeps what it has.
        result["title"] += beside(chosen.load)
        records.set_result(case.name, {**result, "machine": machine}, keeps=chosen.load == 0)
        measured.append(case.name)
        if not chosen.no_write:
            report.write(records.results)
    if measured:
        say("\n" + report.text({name: records.results[name] for name in measured}))
        say(f"\nevery measurement: {records.runs}")
        if not chosen.no_write:
            say(f"table written to {report.PAGE}")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failed, OSError) as reason:
        sys.exit(f"bench-vs-pytorch: {reason}")
    except KeyboardInterrupt:
        sys.exit("bench-vs-pytorch: interrupted")
