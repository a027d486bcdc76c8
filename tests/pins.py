"""Write the second part of requirements.txt and tests/requirements.txt: what the pins above it bring with them.

    python -m tests.pins

It reads what is installed. A distribution that only some systems need keeps its marker.
"""

from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
FILES = (ROOT / "requirements.txt", ROOT / "tests" / "requirements.txt")
HEADING = "# What these bring with them, as `python -m tests.pins` found it installed."
NOTE = """\
# Left to choose for themselves: torch, whose wheel on PyPI brings CUDA packages on Linux, and what only Windows needs (colorama).
"""


def read_requirements(text: str) -> dict[str, Requirement]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return {canonicalize_name(it.name): it for it in map(Requirement, filter(None, lines))}


def find_brought(direct: dict[str, Requirement]) -> dict[str, set[str]]:
    """Return what is brought, directly or not, each with the markers under which it is; "" is on every system."""
    brought: dict[str, set[str]] = {}
    waiting = [(name, extra) for name, it in direct.items() for extra in ("", *it.extras)]
    seen = set(waiting)
    while waiting:
        name, extra = waiting.pop()
        for needed in map(Requirement, metadata.requires(name) or ()):
            if needed.marker and (name == "torch" or not needed.marker.evaluate({"extra": extra})):
                continue
            key, marker = canonicalize_name(needed.name), str(needed.marker or "")
            brought.setdefault(key, set()).add("" if "extra ==" in marker else marker)
            new = {(key, of) for of in ("", *needed.extras)} - seen
            waiting += new
            seen |= new
    return brought


def format_pins(brought: dict[str, set[str]]) -> str:
    def format_pin(name: str, markers: set[str]) -> str:
        marker = "" if "" in markers else " ; " + " or ".join(sorted(markers))
        return f"{name}=={metadata.version(name)}{marker}\n"

    return "".join(format_pin(name, brought[name]) for name in sorted(brought))


def write_pins(path: Path, pinned_elsewhere: set[str]) -> str:
    """Return a requirements file's text with its second part made anew."""
    own = path.read_text(encoding="utf-8").partition(HEADING)[0]
    direct = read_requirements(own)
    brought = {name: on for name, on in find_brought(direct).items() if name not in direct.keys() | pinned_elsewhere}
    note = NOTE if "torch" in direct else ""
    return f"{own}{HEADING}\n{note}\n{format_pins(brought)}"


def make_files() -> dict[Path, str]:
    app, tests = FILES
    text = write_pins(app, set())
    return {app: text, tests: write_pins(tests, set(read_requirements(text)))}


if __name__ == "__main__":
    for path, text in make_files().items():
        path.write_text(text, encoding="utf-8")
