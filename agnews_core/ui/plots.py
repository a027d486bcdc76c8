"""Rows of metrics and ranks -> plotly figures. Pure functions; colours of text and grid are the page's (assets/page.css)."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from agnews_core.runs.snapshot import Rows
from agnews_core.ui.theme import ACCENT_IN_PLOTS, MUTED

MAX_POINTS = 600  # of a raw curve; more cannot be seen
MAX_LEVEL_BARS = 8  # with more, what is written over a bar is wider than it
SHORTEST_MEMORY, LONGEST_MEMORY = 4, 50  # steps that the smoothed loss looks back on
# One run is in the accent; runs laid over each other are told apart by colour and by name. 3 : 1 on both pages.
RUN_COLOURS = (ACCENT_IN_PLOTS, "#c2791b", "#1c9a8a", "#c9518f", "#5f8f2f", "#8a6fd1")


def build_loss_figure(runs: Mapping[str, Rows]) -> go.Figure:
    """Draw training loss, raw and smoothed, and validation loss over steps; `runs` is rows by run name."""
    figure = _build_figure("loss", revision="|".join(runs))
    for number, (name, rows) in enumerate(runs.items()):
        colour = RUN_COLOURS[number % len(RUN_COLOURS)]
        of_run = f" · {name}" if len(runs) > 1 else ""
        steps, losses = _read_curve(rows, "loss")
        smoothed = smooth(losses, weight=choose_smoothing(len(losses)))
        if len(runs) == 1:
            figure.add_scatter(
                x=_thin(steps), y=_thin(losses), name="training, raw", mode="lines", opacity=0.35,
                line={"color": colour, "width": 1},
            )  # fmt: skip
        figure.add_scatter(
            x=_thin(steps), y=_thin(smoothed), name=f"training{', smoothed' if len(runs) == 1 else of_run}", mode="lines",
            line={"color": colour, "width": 2},
        )  # fmt: skip
        _add_points(
            figure, rows, "eval_loss", name=f"validation{of_run}", colour=colour if of_run else MUTED, dash="dot"
        )
    return figure


def build_quality_figure(runs: Mapping[str, Rows]) -> go.Figure:
    """Draw validation accuracy and F1 over steps; `runs` is rows by run name."""
    figure = _build_figure("on the validation texts", revision="|".join(runs))
    figure.update_yaxes(tickformat=".0%" if _spread(runs) > 0.05 else ".1%")
    for number, (name, rows) in enumerate(runs.items()):
        colour = RUN_COLOURS[number % len(RUN_COLOURS)]
        of_run = f" · {name}" if len(runs) > 1 else ""
        _add_points(figure, rows, "eval_accuracy", name=f"accuracy{of_run}", colour=colour, dash="solid")
        _add_points(figure, rows, "eval_f1", name=f"F1{of_run}", colour=colour if of_run else MUTED, dash="dot")
    return figure


def build_rank_figure(layer_ranks: Mapping[int, int], *, n_layers: int) -> go.Figure:
    """Draw the ranks as built, a bar for each layer; a frozen layer has none."""
    figure = _build_figure("rank", revision="ranks")
    ranks = [layer_ranks.get(layer, 0) for layer in range(n_layers)]
    figure.add_bar(
        x=[str(layer) for layer in range(n_layers)],
        y=ranks,
        text=[str(r) if r else "frozen" for r in ranks],
        textposition="outside",
        textangle=0 if n_layers <= MAX_LEVEL_BARS else -90,
        constraintext="none",
        cliponaxis=False,
        marker={"color": ACCENT_IN_PLOTS},
        hovertemplate="layer %{x}: %{text}<extra></extra>",
    )
    figure.update_layout(height=240, hovermode="closest", showlegend=False)
    figure.update_xaxes(title_text="layer", type="category")
    figure.update_yaxes(range=[0, max(ranks, default=1) * 1.2 or 1])
    return figure


def choose_smoothing(n: int) -> float:
    """Return the weight of the past for n values: a fifteenth of them is looked back on, so that a short curve does not lag.

    >>> choose_smoothing(60), choose_smoothing(6000)
    (0.75, 0.98)
    """
    return 1 - 1 / min(max(n / 15, SHORTEST_MEMORY), LONGEST_MEMORY)


def smooth(values: Sequence[float], *, weight: float) -> list[float]:
    """Return the exponential moving average, freed of its bias towards the start (Adam's correction).

    >>> [round(value, 2) for value in smooth([1.0, 1.0, 4.0], weight=0.5)]
    [1.0, 1.0, 2.71]
    """
    smoothed, average = [], 0.0
    for number, value in enumerate(values, start=1):
        average = weight * average + (1 - weight) * value
        smoothed.append(average / (1 - weight**number))
    return smoothed


def _read_curve(rows: Rows, key: str) -> tuple[list[int], list[float]]:
    points = [(row["step"], row[key]) for row in rows if key in row]
    return [step for step, _ in points], [value for _, value in points]


def _thin(values: Sequence[Any]) -> list[Any]:
    """Keep at most MAX_POINTS values, evenly spread, the last one among them."""
    stride = -(-len(values) // MAX_POINTS) or 1
    return list(values[::-1][::stride][::-1])


def _spread(runs: Mapping[str, Rows]) -> float:
    shown = [row["eval_accuracy"] for rows in runs.values() for row in rows if "eval_accuracy" in row]
    return max(shown, default=1.0) - min(shown, default=0.0)


def _add_points(figure: go.Figure, rows: Rows, key: str, *, name: str, colour: str, dash: str) -> None:
    steps, values = _read_curve(rows, key)
    figure.add_scatter(
        x=steps,
        y=values,
        name=name,
        mode="lines+markers",
        line={"color": colour, "width": 2, "dash": dash},
        marker={"size": 7},
    )


def _build_figure(y_title: str, *, revision: str) -> go.Figure:
    """Return an empty figure; a visitor's zoom lasts as long as `revision` stays the same."""
    return go.Figure(
        layout={
            "template": "none",
            "uirevision": revision,
            "height": 320,
            "margin": {"l": 56, "r": 16, "t": 12, "b": 44},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": "IBM Plex Sans, system-ui, sans-serif", "size": 13},
            "hovermode": "x unified",
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            "xaxis": {
                "title": {"text": "step", "font": {"size": 13}},
                "rangemode": "tozero",
                "zeroline": False,
                "gridcolor": "#d9dee7",
            },
            "yaxis": {"title": {"text": y_title, "font": {"size": 13}}, "zeroline": False, "gridcolor": "#d9dee7"},
        }
    )
