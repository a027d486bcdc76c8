"""What the measurements share: a fresh process each, sides in turn, medians and spread, the machine, the table and the JSON.

It knows nothing of what is measured, and imports nothing heavy: what a process is started from, its memory begins with.
"""

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import psutil

Measured = TypeVar("Measured")
ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parent / "results.json"
WATCH_SECONDS = 0.5  # to look for processes takes time from what is measured
INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "avx512_vnni", "avx2")  # of a processor, the best first


@dataclass(frozen=True)
class Result:
    """What a program measured.

    Attributes:
        benchmark: The program.
        case: What of, where it can measure several; else "".
        figures: By name, the most important first: a value, or all that was measured of it, of which the median counts.
        at_least: Goals, by figure.
        at_most: Likewise.
        machine: Where and when.
    """

    benchmark: str
    case: str
    figures: Mapping[str, Any]
    at_least: Mapping[str, float] = field(default_factory=dict)
    at_most: Mapping[str, float] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=lambda: describe_machine())

    @property
    def name(self) -> str:
        return f"{self.benchmark} {self.case}".strip()

    def to_json(self) -> dict[str, Any]:
        """Return one object: medians, then the least and the most of what was measured more than once, goals, machine."""
        medians = {name: round_off(find_median(value)) for name, value in self.figures.items()}
        repeated = {name: value for name, value in self.figures.items() if isinstance(value, list)}
        spread = {name: [round_off(min(value)), round_off(max(value))] for name, value in repeated.items()}
        return medians | {
            "spread": spread,
            "at_least": dict(self.at_least),
            "at_most": dict(self.at_most),
            "machine": dict(self.machine),
        }


def find_median(value: Any) -> Any:
    return statistics.median(value) if isinstance(value, list) else value


def round_off(value: Any) -> Any:
    """Return a number with the digits that a measurement has."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def describe_machine() -> dict[str, Any]:
    """Return the commit ("+": and what is not committed), the processor, and the date."""
    commit = _ask_git("rev-parse", "--short", "HEAD")
    changed = "+" if _ask_git("status", "--porcelain", "--untracked-files=no") else ""
    cores = len(os.sched_getaffinity(0))
    gib = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30)
    return {
        "commit": commit + changed,
        "processor": _read_processor(),
        "cores": cores,
        "memory_gib": gib,
        "date": datetime.now(UTC).date().isoformat(),
    }


def _ask_git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def _read_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    known = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    best = next((name for name in INSTRUCTIONS if name in known.get("flags", "").split()), "")
    return " ".join(filter(None, (known.get("model name", platform.machine()), best)))


def take_turns(sides: Mapping[str, Callable[[], Measured]], *, rounds: int) -> dict[str, list[Measured]]:
    """Measure the sides in turn, A B A B, so that what disturbs the machine disturbs both."""
    found: dict[str, list[Measured]] = {name: [] for name in sides}
    for number in range(rounds):
        for name, measure in sides.items():
            tell(f"round {number + 1} of {rounds}: {name}")
            found[name].append(measure())
    return found


def tell(what: str) -> None:
    """Show on standard error what goes on; standard output is for the result."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def run_fresh(function: Callable[..., Measured], *arguments: Any, **environment: str) -> Measured:
    """Return what a function returns in a process of its own, in which nothing is warm that would not be."""
    context = multiprocessing.get_context("spawn")
    with _environment(environment), ProcessPoolExecutor(1, mp_context=context, initializer=_leave_stdout) as pool:
        return pool.submit(function, *arguments).result()


def _leave_stdout() -> None:
    os.dup2(2, 1)


@contextmanager
def _environment(changes: Mapping[str, str]):
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@dataclass(frozen=True)
class Ran:
    """What a command took from its start to its end, all its processes together, and the JSON that it printed."""

    seconds: float
    peak_bytes: int
    printed: dict[str, Any]


def run_command(*words: object, **environment: str) -> Ran:
    """Run `python -m agnews_core WORDS --json`, as a person does.

    Raises:
        RuntimeError: It failed; with the end of what it said.
    """
    command = [sys.executable, "-m", "agnews_core", *map(str, words), "--json"]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=out, stderr=said
        )
        peak_bytes = _watch(process)
        seconds = time.perf_counter() - began
        for file in (out, said):
            file.seek(0)
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{said.read().decode()[-3000:]}")
        return Ran(seconds, peak_bytes, json.loads(out.read()))


def _watch(process: "subprocess.Popen[bytes]") -> int:
    """Wait for a process to end, and return the most memory that it and those it started had, each at its highest."""
    peak_bytes, whole, pause = 0, psutil.Process(process.pid), 0.02
    while process.returncode is None:
        with suppress(psutil.NoSuchProcess):
            peak_bytes = max(peak_bytes, sum(map(_read_peak, (whole, *whole.children(recursive=True)))))
        with suppress(subprocess.TimeoutExpired):
            process.wait(pause)
        pause = min(2 * pause, WATCH_SECONDS)  # a short command is seen too
    return peak_bytes


def _read_peak(process: psutil.Process) -> int:
    try:
        told = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    except OSError:  # it has just ended
        return 0
    return int(told.partition("VmHWM:")[2].split()[0]) << 10 if "VmHWM:" in told else 0


def build_parser(doc: str, *, rounds: int | None = 3) -> argparse.ArgumentParser:
    """Build the command line that all the programs have; without `rounds` where something else is repeated."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--save", action="store_true", help=f"also keep the result in {RESULTS.name}, for the README")
    if rounds is not None:
        parser.add_argument(
            "--rounds", type=int, default=rounds, help="measurements of each side (default %(default)s)"
        )
    return parser


def show(result: Result, asked: argparse.Namespace) -> None:
    """Print a result as was asked for, and keep it where that was asked for."""
    print(json.dumps(result.to_json(), indent=2) if asked.json else format_table(result))
    if asked.save:
        save(result)


def save(result: Result) -> None:
    """Put a result in the place of the last one of its name."""
    kept = read_results()
    kept[result.name] = result.to_json()
    RESULTS.write_text(json.dumps(dict(sorted(kept.items())), indent=2) + "\n", encoding="utf-8")


def read_results() -> dict[str, Any]:
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


def format_table(result: Result) -> str:
    """Return a line a figure: its name, the median, the least and the most, the goal and whether it was reached."""
    found = result.to_json()
    lines = [f"{result.name}, on {format_machine(result.machine)}", ""]
    lines += [f"{'':36}{'median':>14}{'least':>12}{'most':>12}  goal"]
    for name in result.figures:
        least, most = found["spread"].get(name, ("", ""))
        lines += [f"{name:36}{found[name]!s:>14}{least!s:>12}{most!s:>12}  {format_goal(found, name)}".rstrip()]
    return "\n".join(lines)


def format_goal(found: Mapping[str, Any], name: str) -> str:
    """Return a figure's goal and whether it was reached, or "" where it has none."""
    for kind, sign in (("at_least", 1), ("at_most", -1)):
        if name in found[kind]:
            goal = found[kind][name]
            is_reached = sign * found[name] >= sign * goal
            return f"{kind.replace('_', ' ')} {goal:g}{'' if is_reached else ', missed'}"
    return ""


def format_machine(machine: Mapping[str, Any]) -> str:
    return "{processor} ({cores} cores, {memory_gib} GiB), {date}, commit {commit}".format(**machine)
