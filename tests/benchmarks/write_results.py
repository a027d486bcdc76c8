"""Write the results that were kept (`--save`) into the README: `python -m tests.benchmarks.write_results`."""

from collections.abc import Mapping
from typing import Any

from tests.benchmarks.measuring import ROOT, format_goal, format_machine, read_results

README = ROOT / "README.md"
BEGIN, END = "<!-- results: written by `python -m tests.benchmarks.write_results` -->\n", "<!-- end of results -->\n"
NOT_YET = "None yet.\n"


def format_results(results: Mapping[str, Any]) -> str:
    """Return a table with a row for each figure that has a goal, and under it where and when each was measured."""
    if not results:
        return NOT_YET
    rows = ["| measurement | figure | median | least to most | goal |", "| --- | --- | --- | --- | --- |"]
    machines: dict[str, list[str]] = {}
    for name, found in results.items():
        machines.setdefault(format_machine(found["machine"]), []).append(name)
        rows += [_format_row(name, figure, found) for figure in found if format_goal(found, figure)]
    places = [f"Measured on {machine}: {', '.join(names)}." for machine, names in machines.items()]
    return "\n".join([*rows, "", *places]) + "\n"


def _format_row(name: str, figure: str, found: Mapping[str, Any]) -> str:
    least, most = found["spread"].get(figure, (None, None))
    spread = "" if least is None else f"{least:g} to {most:g}"
    return f"| {name} | {figure} | {found[figure]:g} | {spread} | {format_goal(found, figure)} |"


def write_results(readme: str, results: Mapping[str, Any]) -> str:
    """Return the README's text with the table made anew."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{format_results(results)}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(write_results(README.read_text(encoding="utf-8"), read_results()), encoding="utf-8")
