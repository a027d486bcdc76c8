"""Curves and ranks -> plotly figures. Pure functions; colours are tokens, which the browser reads."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from agnews_core.runs.metrics import Curve, Metrics
from agnews_core.ui.live_plot import ACCENT, MUTED, build_figure

MAX_POINTS = 600  # of a curve; more cannot be seen
DIGITS = 5  # after the point, likewise
MAX_LEVEL_BARS = 8  # with more, what is written over a bar is wider than it
SHORTEST_MEMORY, LONGEST_MEMORY = 4, 50  # steps that the smoothed loss looks back on
# One run is in the accent; runs laid over each other are told apart by colour and by name.
RUN_COLOURS = (ACCENT, *(f"var(--run-{number})" for number in range(2, 7)))
HEIGHT = 320


def build_loss_figure(runs: Mapping[str, Metrics]) -> go.Figure:
    """Draw training loss, raw and smoothed, and validation loss over steps; `runs` is metrics by run name."""
    figure = _build_curves("loss", runs)
    for colour, (name, metrics) in zip(RUN_COLOURS, runs.items(), strict=False):
        of_run = f" · {name}" if len(runs) > 1 else ""
        steps, losses = metrics.loss.points
        smoothed = smooth(losses, weight=choose_smoothing(len(losses)))
        if len(runs) == 1:
            _add_line(figure, steps, losses, name="training, raw", opacity=0.35, line={"color": colour, "width": 1})
        called = f"training{', smoothed' if len(runs) == 1 else of_run}"
        _add_line(figure, steps, smoothed, name=called, line={"color": colour, "width": 2})
        validation = colour if of_run else MUTED
        _add_points(figure, metrics.eval_loss, name=f"validation{of_run}", colour=validation, dash="dot")
    return figure


def build_quality_figure(runs: Mapping[str, Metrics], *, texts: str) -> go.Figure:
    """Draw validation accuracy and F1 over steps; `runs` is metrics by run name, `texts` what they were evaluated on."""
    figure = _build_curves(f"on {texts}", runs)
    shown = [value for metrics in runs.values() for value in metrics.eval_accuracy.points[1]]
    digits = ".0%" if max(shown, default=1) - min(shown, default=0) > 0.05 else ".1%"
    figure.update_yaxes(tickformat=digits, autorangeoptions={"clipmin": 0, "clipmax": 1.01})
    for colour, (name, metrics) in zip(RUN_COLOURS, runs.items(), strict=False):
        of_run = f" · {name}" if len(runs) > 1 else ""
        _add_points(figure, metrics.eval_accuracy, name=f"accuracy{of_run}", colour=colour, dash="solid")
        _add_points(figure, metrics.eval_f1, name=f"F1{of_run}", colour=colour if of_run else MUTED, dash="dot")
    return figure


def _build_curves(y_title: str, runs: Iterable[str]) -> go.Figure:
    figure = build_figure("step", y_title, height=HEIGHT, revision="|".join(runs))
    figure.update_layout(hovermode="x unified")
    figure.update_xaxes(rangemode="tozero")
    return figure


def build_rank_figure(layer_ranks: Mapping[int, int], *, n_layers: int) -> go.Figure:
    """Draw the ranks as built, a bar for each layer; a frozen layer has none."""
    figure = build_figure("layer", "rank", height=240)
    ranks = [layer_ranks.get(layer, 0) for layer in range(n_layers)]
    figure.add_bar(
        x=[str(layer) for layer in range(n_layers)],
        y=ranks,
        text=[str(r) if r else "frozen" for r in ranks],
        textposition="outside",
        textangle=0 if n_layers <= MAX_LEVEL_BARS else -90,
        constraintext="none",
        cliponaxis=False,
        marker={"color": ACCENT},
        hovertemplate="layer %{x}: %{text}<extra></extra>",
    )
    figure.update_layout(showlegend=False)
    figure.update_xaxes(type="category", showgrid=False)
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


def _thin(values: Sequence[float]) -> list[float]:
    """Return at most MAX_POINTS values, evenly spread, the last one among them, with no more digits than can be seen."""
    stride = -(-len(values) // MAX_POINTS) or 1
    return [round(value, DIGITS) for value in values[::-1][::stride][::-1]]


def _add_line(figure: go.Figure, steps: Sequence[float], values: Sequence[float], **style: Any) -> None:
    figure.add_scatter(x=_thin(steps), y=_thin(values), mode="lines", **style)


def _add_points(figure: go.Figure, curve: Curve, *, name: str, colour: str, dash: str) -> None:
    steps, values = curve.points
    figure.add_scatter(
        x=_thin(steps),
        y=_thin(values),
        name=name,
        mode="lines+markers",
        line={"color": colour, "width": 2, "dash": dash},
        marker={"size": 7},
    )
