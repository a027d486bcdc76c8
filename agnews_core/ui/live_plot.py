"""A plot that keeps a visitor's zoom while points are added to it, drawn with the tokens of assets/tokens.css.

gr.Plot makes its plot anew for each new value, so that zoom is lost and the plot flickers. This one is drawn by the plotly.js
that comes with the plotly package, in place; the figure's `uirevision` says how long a zoom lasts. The server does not know
whether the page is light or dark: figures name a token, as in `var(--accent)`, and the browser puts in what it stands for.
"""

from pathlib import Path
from typing import Any

import gradio as gr
import plotly
import plotly.graph_objects as go
from markupsafe import Markup

ACCENT, MUTED = "var(--accent)", "var(--ink-2)"
PLOTLY_JS = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
_TEMPLATE = Markup('<div class="live-plot" role="img" aria-label="{}"></div><p class="live-plot-empty">{}</p>')
_SCRIPT = """
const plot = element.querySelector('.live-plot');
const read = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();
function buildTemplate() {
  const font = {family: read('--sans'), size: parseFloat(read('--type-s')), color: read('--ink-2')};
  const axis = {title: {font, standoff: 12}, gridcolor: read('--line'), zeroline: false, automargin: true};
  Object.assign(axis, {ticks: 'outside', ticklen: 6, tickcolor: 'transparent'});
  const hoverlabel = {bgcolor: read('--surface'), bordercolor: read('--line'), font: {...font, color: read('--ink')}};
  return {layout: {font, hoverlabel, xaxis: axis, yaxis: axis, paper_bgcolor: 'transparent', plot_bgcolor: 'transparent'}};
}
function draw() {
  element.classList.toggle('has-points', Boolean(props.value));
  if (!props.value) { Plotly.purge(plot); return; }
  const figure = JSON.parse(props.value.replace(/var\\((--[a-z0-9-]+)\\)/g, (_, name) => read(name)));
  Plotly.react(plot, figure.data, {...figure.layout, template: buildTemplate()}, {
    displaylogo: false, modeBarButtonsToRemove: ['lasso2d', 'select2d', 'autoScale2d'], responsive: true,
  });
}
new ResizeObserver(() => { if (props.value && plot.offsetWidth) Plotly.Plots.resize(plot); }).observe(element);
new MutationObserver(draw).observe(document.body, {attributeFilter: ['class']});  // light, dark
watch('value', draw);
draw();
"""


def build_live_plot(*, label: str, empty: str, elem_id: str, visible: bool = True) -> gr.HTML:
    """Build the component; its value is a figure as JSON (`figure.to_json()`), or "" for `empty`."""
    gr.set_static_paths([PLOTLY_JS])
    return gr.HTML(
        "",
        label=label,
        show_label=True,
        container=True,
        html_template=_TEMPLATE.format(label, empty),
        js_on_load=_SCRIPT,
        head=f'<script src="gradio_api/file={PLOTLY_JS}"></script>',
        elem_id=elem_id,
        elem_classes="live-plot-block",
        visible=visible,
    )


def build_figure(x_title: str, y_title: str, *, height: int, revision: str = "") -> go.Figure:
    """Return an empty figure; a visitor's zoom lasts as long as `revision` stays the same. The browser has its look."""
    layout: dict[str, Any] = {
        "template": "none",
        "uirevision": revision,
        "height": height,
        "margin": {"l": 56, "r": 16, "t": 12, "b": 44},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "xaxis": {"title": {"text": x_title}},
        "yaxis": {"title": {"text": y_title}},
    }
    return go.Figure(layout=layout)
