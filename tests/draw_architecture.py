"""Draw assets/architecture.svg from the package's imports: its rooms on their floors, and who imports whom.

    python -m tests.draw_architecture

The floors are those of import-linter's contract in pyproject.toml. An arrow is left out where a longer way says the same.
"""

import math
import tomllib
from pathlib import Path

import grimp
import networkx

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "assets" / "architecture.svg"
WIDTH, FLOOR, BOX_WIDTH, BOX_HEIGHT = 1000, 92, 128, 48
STYLE = """
  .page { fill: #ffffff } .room { fill: #eef2f8; stroke: #7186a3 } .arrow { fill: none; stroke: #7186a3; stroke-width: 1.4 }
  .tip { fill: #7186a3 } text { font: 15px system-ui, sans-serif; fill: #16202e; text-anchor: middle } .small { font-size: 12px }
  @media (prefers-color-scheme: dark) {
    .page { fill: #10151d } .room { fill: #1d2736; stroke: #7f95b5 } .arrow { stroke: #7f95b5 } .tip { fill: #7f95b5 }
    text { fill: #e8edf5 }
  }
"""


def read_floors() -> list[list[str]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (layers,) = (contract["layers"] for contract in settings["contracts"] if contract["type"] == "layers")
    return [[room.strip() for room in floor.split("|")] for floor in layers]


def read_rooms() -> tuple[networkx.DiGraph, dict[str, int]]:
    """Return which room imports which, and how many files each has."""
    imports = grimp.build_graph("agnews_core", cache_dir=None)
    inside = {module: module.split(".")[1] for module in imports.modules if "." in module and "__main__" not in module}
    rooms = networkx.DiGraph()
    for module, room in inside.items():
        known = {inside[other] for other in imports.find_modules_directly_imported_by(module) if other in inside}
        rooms.add_edges_from((room, other) for other in known - {room})
    return rooms, {room: list(inside.values()).count(room) for room in inside.values()}


def place(floors: list[list[str]], rooms: networkx.DiGraph) -> dict[str, tuple[float, float]]:
    """Return the middle of each room: on its floor, in the order of those that import it."""
    at: dict[str, tuple[float, float]] = {}
    for number, floor in enumerate(floors):
        step = WIDTH / len(floor)

        def find_middle(room: str) -> float:
            above = [at[other][0] for other in rooms.predecessors(room) if other in at]
            return math.fsum(above) / len(above) if above else 0

        for column, room in enumerate(sorted(floor, key=lambda room: (find_middle(room), room))):
            at[room] = (step * (column + 0.5), FLOOR * (number + 0.7))
    return at


def draw_arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x, y), (to_x, to_y) = start, end
    if to_y - y < 1.5 * FLOOR:  # the next floor
        y, to_y = y + BOX_HEIGHT / 2, to_y - BOX_HEIGHT / 2 - 5
        bends = f"{x:.0f} {(y + to_y) / 2:.0f} {to_x:.0f} {(y + to_y) / 2:.0f}"
    else:  # a long way goes round the rooms between: out at one side, in at one side
        is_near = abs(x - to_x) < BOX_WIDTH
        side = 1 if x > (WIDTH / 2 if is_near else to_x) else -1
        x += (side if is_near else -side) * BOX_WIDTH / 2
        to_x += side * (BOX_WIDTH / 2 + 5)
        out = side * (max(side * x, side * to_x) + BOX_WIDTH * is_near)
        bends = f"{out:.0f} {y + FLOOR / 2:.0f} {out:.0f} {to_y:.0f}"
    return f'<path class="arrow" marker-end="url(#tip)" d="M{x:.0f} {y:.0f} C{bends} {to_x:.0f} {to_y:.0f}"/>'


def draw_room(name: str, n_files: int, middle: tuple[float, float]) -> str:
    x, y = middle
    box = f'x="{x - BOX_WIDTH / 2:.0f}" y="{y - BOX_HEIGHT / 2:.0f}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="8"'
    files = "1 file" if n_files == 1 else f"{n_files} files"
    return (
        f'<rect class="room" {box}/><text x="{x:.0f}" y="{y - 2:.0f}">{name}</text>'
        f'<text class="small" x="{x:.0f}" y="{y + 15:.0f}">{files}</text>'
    )


def draw() -> str:
    floors = read_floors()
    rooms, n_files = read_rooms()
    at = place(floors, rooms)
    ground = {*floors[-2], *floors[-1]}
    shown = sorted((room, other) for room, other in networkx.transitive_reduction(rooms).edges if other not in ground)
    height = FLOOR * len(floors) + 40
    caption = (
        f"{len(at)} rooms on {len(floors)} floors, {rooms.number_of_edges()} arrows, all downward. "
        f"Drawn are {len(shown)}: not those that follow from others, nor those to the two lowest floors."
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{caption}">',
        f"<style>{STYLE}</style>",
        '<marker id="tip" viewBox="0 0 8 8" refX="4" refY="4" markerWidth="7" markerHeight="7" orient="auto">',
        '  <path class="tip" d="M0 0L8 4L0 8z"/>\n</marker>',
        f'<rect class="page" width="{WIDTH}" height="{height}"/>',
        *(draw_arrow(at[room], at[other]) for room, other in shown),
        *(draw_room(room, n_files[room], at[room]) for room in at),
        f'<text class="small" x="{WIDTH / 2:.0f}" y="{height - 16}">{caption}</text>',
        "</svg>\n",
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
