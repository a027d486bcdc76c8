"""A plot that keeps a visitor's zoom while points are added to it.

gr.Plot makes its plot anew for each new value, so that zoom is lost and the plot flickers. This one is drawn by the plotly.js
that comes with the plotly package, in place; the figure's `uirevision` says how long a zoom lasts.
"""

import html
from pathlib import Path

import gradio as gr
import plotly

PLOTLY_JS = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
_TEMPLATE = '<div class="live-plot" role="img" aria-label="{label}"></div><p class="live-plot-empty">{empty}</p>'
_SCRIPT = """
const plot = element.querySelector('.live-plot');
function draw() {
  element.classList.toggle('has-points', Boolean(props.value));
  if (!props.value) { Plotly.purge(plot); return; }
  const figure = JSON.parse(props.value);
  Plotly.react(plot, figure.data, figure.layout, {
    displaylogo: false, modeBarButtonsToRemove: ['lasso2d', 'select2d', 'autoScale2d'], responsive: true,
  });
}
new ResizeObserver(() => { if (props.value && plot.offsetWidth) Plotly.Plots.resize(plot); }).observe(element);
watch('value', draw);
draw();
"""


def build_live_plot(*, label: str, empty: str, elem_id: str) -> gr.HTML:
    """Build the component; its value is a figure as JSON (`figure.to_json()`), or "" for `empty`."""
    gr.set_static_paths([PLOTLY_JS])
    return gr.HTML(
        "",
        label=label,
        show_label=True,
        container=True,
        html_template=_TEMPLATE.format(label=html.escape(label), empty=html.escape(empty)),
        js_on_load=_SCRIPT,
        head=f'<script src="gradio_api/file={PLOTLY_JS}"></script>',
        elem_id=elem_id,
        elem_classes="live-plot-block",
    )
