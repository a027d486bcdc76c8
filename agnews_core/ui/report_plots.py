"""An evaluation and a file's predictions -> plotly figures. Pure functions; colours are tokens, which the browser reads."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from agnews_core.evaluation.layers import LayerEffects
from agnews_core.evaluation.report import ReliabilityBin
from agnews_core.ui.live_plot import ACCENT, MUTED, build_figure
from agnews_core.ui.theme import css_name

FEW = 6  # texts; an axis in halves of texts makes no sense


def build_reliability_figure(bins: Sequence[ReliabilityBin]) -> go.Figure:
    """Draw how often the model was right over how sure it was; on the diagonal it can be taken at its word."""
    figure = build_figure("probability of the class it gave", "how often it was right", height=330)
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", name="probability = share that is right", hoverinfo="skip",
        line={"color": MUTED, "width": 1.5, "dash": "dot"},
    )  # fmt: skip
    figure.add_bar(
        x=[(it.low + it.high) / 2 for it in bins],
        y=[it.accuracy for it in bins],
        width=[(it.high - it.low) * 0.9 for it in bins],
        customdata=[(it.n, it.confidence) for it in bins],
        name="texts of this probability",
        marker={"color": ACCENT, "opacity": [_opacity(it.n, bins) for it in bins]},
        hovertemplate="right: %{y:.1%}<br>mean probability: %{customdata[1]:.1%}<br>%{customdata[0]:,} texts<extra></extra>",
    )
    figure.update_xaxes(range=[0.2, 1.02], dtick=0.2, tickformat=".0%", fixedrange=True, showgrid=False)
    figure.update_yaxes(range=[0, 1.02], dtick=0.25, tickformat=".0%", fixedrange=True)
    return figure


def _opacity(n: int, bins: Sequence[ReliabilityBin]) -> float:
    """Fade bins of few texts, whose height is mostly chance."""
    return 0.35 + 0.65 * min(1.0, n / (0.02 * sum(it.n for it in bins)))


def build_layers_figure(effects: LayerEffects) -> go.Figure:
    """Draw the points that are lost without each layer's LoRA, with their standard errors; what may be chance is faded."""
    figure = build_figure("layer", "points lost without it", height=260)
    layers = effects.layers
    figure.add_bar(
        x=[f"{it.layer}" for it in layers],
        y=[it.lost * 100 for it in layers],
        error_y={"type": "data", "array": [it.error * 100 for it in layers], "color": MUTED, "thickness": 1.5},
        customdata=[(it.r, it.parameters) for it in layers],
        marker={"color": ACCENT, "opacity": [1.0 if it.is_told else 0.4 for it in layers]},
        hovertemplate="layer %{x}: %{y:.1f} points<br>rank %{customdata[0]}<br>%{customdata[1]:,} parameters<extra></extra>",
    )
    figure.update_xaxes(type="category", fixedrange=True, showgrid=False)
    figure.update_yaxes(fixedrange=True, rangemode="tozero")
    return figure


def build_counts_figure(counts: Mapping[str, int]) -> go.Figure:
    """Draw how many texts were given each class."""
    figure = build_figure("", "texts", height=260)
    figure.add_bar(
        x=list(counts),
        y=list(counts.values()),
        text=[f"{count:,}" for count in counts.values()],
        textposition="outside",
        cliponaxis=False,
        marker={"color": [f"var(--{css_name(name)}-fill)" for name in counts]},
        hovertemplate="%{x}: %{y:,} texts<extra></extra>",
    )
    figure.update_layout(bargap=0.35)
    figure.update_xaxes(fixedrange=True, showgrid=False)
    figure.update_yaxes(
        fixedrange=True, rangemode="tozero", tickformat=",d", dtick=1 if max(counts.values()) < FEW else None
    )
    return figure
