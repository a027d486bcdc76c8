"""A study's trials -> plotly figures. Pure functions; colours are tokens, which the browser reads."""

import itertools
import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import plotly.graph_objects as go

from agnews_core.tuning.sentences import WORDS, describe_params, format_value
from agnews_core.tuning.study import StudyStatus, Trial
from agnews_core.ui.live_plot import ACCENT, MUTED, build_figure
from agnews_core.ui.plots import HEIGHT

Across = Literal["time", "learning rate"]
ACROSS: tuple[Across, ...] = ("time", "learning rate")
FEWEST_LINES = 8  # trials at their end; of fewer, parallel coordinates tell nothing
SMALLEST, LARGEST = 8, 20  # of a marker, by the trial's rank
RATES = [digit * 10.0**power for power in range(-6, 0) for digit in (1, 2, 5)]
SPREAD = 0.05  # of accuracies; over less than that, tenths of a percent are told
ANY_SIZE = 11  # where rank was not searched


class _Point(NamedTuple):
    trial: Trial
    x: float
    score: float


class _Look(NamedTuple):
    name: str
    colour: str
    symbol: str


PRESET = _Look("the preset", MUTED, "square")
TRIED = _Look("tried", ACCENT, "circle")
AGAIN = _Look("again, on all texts", ACCENT, "diamond")
GIVEN_UP = _Look("given up early", MUTED, "circle-open")


def build_trials_figure(status: StudyStatus, *, across: Across) -> go.Figure:
    """Draw each trial's accuracy over the time at which it ended, or over its learning rate; a larger marker is a larger rank."""
    points = _list_points(status, across)
    is_rate = across == "learning rate"
    title = "learning rate" if is_rate else "minutes of training"
    figure = build_figure(title, status.judged_by, height=HEIGHT, revision=across)
    for look in (GIVEN_UP, TRIED, AGAIN, PRESET):
        own = [point for point in points if _choose_look(point.trial) == look]
        if own:
            _add_points(figure, status, own, look)
    if across == "time":
        _add_best(figure, points)
    if is_rate:
        figure.update_xaxes(type="log", tickvals=RATES, ticktext=[f"{rate:g}" for rate in RATES])
    else:
        figure.update_xaxes(rangemode="tozero")
    low, high = _find_range(points)
    figure.update_yaxes(tickformat=".0%" if high - low > SPREAD else ".1%", range=[low, high])
    return figure


def _list_points(status: StudyStatus, across: Across) -> list[_Point]:
    """Return a point for each trial that was evaluated; one that was given up stands where it was last."""
    ended = itertools.accumulate(trial.seconds for trial in status.trials)
    places = [seconds / 60 for seconds in ended]
    if across == "learning rate":
        places = [float(trial.params.get("learning_rate", status.config.learning_rate)) for trial in status.trials]
    scores = (_find_score(trial) for trial in status.trials)
    found = zip(status.trials, places, scores, strict=True)
    return [_Point(trial, place, score) for trial, place, score in found if score is not None]


def _find_score(trial: Trial) -> float | None:
    return trial.curve[-1][1] if trial.score is None and trial.state == "pruned" and trial.curve else trial.score


def _choose_look(trial: Trial) -> _Look:
    if trial.state == "pruned":
        return GIVEN_UP
    return {"preset": PRESET, "search": TRIED, "final": AGAIN}[trial.stage]


def _add_points(figure: go.Figure, status: StudyStatus, points: Sequence[_Point], look: _Look) -> None:
    figure.add_scatter(
        x=[point.x for point in points],
        y=[point.score for point in points],
        name=look.name,
        mode="markers",
        marker={
            "color": look.colour,
            "symbol": look.symbol,
            "size": [_choose_size(status, point.trial) for point in points],
            "line": {"color": look.colour, "width": 2},
            "opacity": 0.85,
        },
        text=[f"{point.trial.run}<br>{_break_lines(describe_params(status, point.trial))}" for point in points],
        hovertemplate="%{text}<br>%{y:.1%}<extra></extra>",
    )


def _break_lines(text: str) -> str:
    return text.replace(", ", "<br>")


def _choose_size(status: StudyStatus, trial: Trial) -> float:
    if "rank" not in status.space:
        return ANY_SIZE
    return SMALLEST + (LARGEST - SMALLEST) * _place("rank", trial.params["rank"], status)


def _add_best(figure: go.Figure, points: Sequence[_Point]) -> None:
    """Draw the best so far as a line, of the trials that are alike: those of the search, or of all texts once there are some."""
    stages = ("preset", "final") if any(point.trial.stage == "final" for point in points) else ("preset", "search")
    own = [point for point in points if point.trial.state == "finished" and point.trial.stage in stages]
    if len({point.trial.max_train_samples for point in own}) > 1:
        own = [point for point in own if point.trial.stage == "search"]
    best = list(itertools.accumulate((point.score for point in own), max))
    line = {"color": ACCENT, "width": 2, "shape": "hv"}
    if len(own) > 1:
        figure.add_scatter(
            x=[point.x for point in own], y=best, name="best so far", mode="lines", line=line, hoverinfo="skip"
        )


def _find_range(points: Sequence[_Point]) -> tuple[float, float]:
    """Return the lowest and the highest accuracy that are in sight, with room for a marker beside them."""
    scores = [point.score for point in points] or [1.0]
    room = max(0.1 * (max(scores) - min(scores)), 0.01)
    return min(scores) - room, min(max(scores) + room, 1.01)


def build_lines_figure(status: StudyStatus) -> go.Figure | None:
    """Draw a line for each trial through all that was searched to its accuracy, the best one's in the accent.

    None for fewer than `FEWEST_LINES` trials at their end.
    """
    trials = [trial for trial in status.searched if trial.state == "finished" and trial.score is not None]
    if len(trials) < FEWEST_LINES:
        return None
    trials.sort(key=lambda trial: trial.score or 0.0)  # the best one is drawn over the others
    scores = [trial.score or 0.0 for trial in trials]
    low, high = min(scores), max(scores)
    figure = build_figure("", "", height=340)
    names = [*status.space, status.judged_by]
    for trial, score in zip(trials, scores, strict=True):
        height = (score - low) / (high - low) if high > low else 1.0
        is_best = trial is trials[-1]
        figure.add_scatter(
            x=list(range(len(names))),
            y=[*(_place(name, trial.params[name], status) for name in status.space), height],
            name="best" if is_best else trial.run,
            mode="lines+markers",
            line={"color": ACCENT if is_best else MUTED, "width": 3 if is_best else 1 + height},
            marker={"size": 7 if is_best else 4},
            opacity=1 if is_best else 0.2 + 0.5 * height,
            text=[f"{trial.run}<br>{score:.1%}"] * len(names),
            hovertemplate="%{text}<extra></extra>",
        )
    ends = [*(_list_ends(name, status) for name in status.space), (f"{low:.1%}", f"{high:.1%}")]
    for number, (bottom, top) in enumerate(ends):
        for text, y in ((bottom, -0.09), (top, 1.09)):
            figure.add_annotation(x=number, y=y, text=text, showarrow=False)
    words = [WORDS.get(name, name) for name in names]
    figure.update_layout(showlegend=False, margin_b=96)
    figure.update_xaxes(tickvals=list(range(len(names))), ticktext=words, tickangle=-30)
    figure.update_xaxes(range=[-0.4, len(names) - 0.6], gridcolor="var(--line-strong)", fixedrange=True)
    figure.update_yaxes(visible=False, range=[-0.18, 1.18], fixedrange=True)
    return figure


def _place(name: str, value: Any, status: StudyStatus) -> float:
    """Return where a value lies between the ends of what was searched, 0-1."""
    bounds = status.space[name]["attributes"]
    if "choices" in bounds:
        choices = list(bounds["choices"])
        return choices.index(value) / max(len(choices) - 1, 1)
    scale = math.log if bounds.get("log") else float
    low, high = scale(bounds["low"]), scale(bounds["high"])
    return (scale(value) - low) / (high - low) if high > low else 0.5


def _list_ends(name: str, status: StudyStatus) -> tuple[str, str]:
    """Return what was searched's lowest and highest value."""
    bounds = status.space[name]["attributes"]
    ends = (bounds["choices"][0], bounds["choices"][-1]) if "choices" in bounds else (bounds["low"], bounds["high"])
    return format_value(ends[0]), format_value(ends[1])
