"""One control for the ranks of all layers: a number and a slider for each, drawn anew when the backbone has other layers.

Its value is a list of ranks, lowest layer first; 0 is a frozen layer. It is one component, because `layer_ranks` is one
setting, and its inputs are the browser's own, so that keyboard and screen reader know them.
"""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from agnews_core.errors import ConfigError, quote
from agnews_core.setting_values import MAX_LAYERS

_TEMPLATE = """
<fieldset class="ranks"><legend>LoRA rank of each layer</legend>
<p class="hint">How much each layer may learn: 8 to 32 is usual, 0 leaves the layer frozen.
Layer 0 reads the text first, the last one is next to the answer.</p>
<div class="rank-rows">
{{#each value}}<div class="rank-row"><label for="rank-{{@index}}">Layer {{@index}}</label>
<input type="range" min="0" max="64" step="1" value="{{this}}" data-layer="{{@index}}"
  aria-label="Rank of layer {{@index}}, slider">
<input type="number" min="0" max="1024" step="1" value="{{this}}" data-layer="{{@index}}" id="rank-{{@index}}"></div>{{/each}}
</div></fieldset>
"""
_SCRIPT = """
element.addEventListener('input', (event) => {
  const row = event.target.closest('.rank-row');
  if (row && event.target.value !== '') row.querySelectorAll('input').forEach((one) => { one.value = event.target.value; });
});
element.addEventListener('change', (event) => {
  const layer = Number(event.target.dataset.layer);
  if (Number.isNaN(layer)) return;
  const rank = Math.round(Number(event.target.value)) || 0;
  props.value = props.value.map((old, index) => (index === layer ? rank : old));
  trigger('change');
});
watch('value', () => element.querySelectorAll('input').forEach((one) => { one.value = props.value[one.dataset.layer]; }));
"""


def build_rank_control(ranks: Sequence[int]) -> gr.HTML:
    """Build the control."""
    return gr.HTML(
        list(ranks),
        label="LoRA rank of each layer",
        html_template=_TEMPLATE,
        js_on_load=_SCRIPT,
        container=True,
        padding=True,
        elem_id="layer-ranks",
    )


def list_ranks(layer_ranks: dict[int, int]) -> list[int]:
    """Turn {layer: rank}, layers counted from the top, into a list of all layers' ranks.

    >>> list_ranks({-1: 32, -4: 16})
    [16, 0, 0, 32]
    """
    return [layer_ranks.get(layer, 0) for layer in range(min(layer_ranks), 0)]


def read_ranks(ranks: Any) -> dict[int, int]:
    """Turn the control's list into {layer: rank}, counted from the top as presets do, frozen layers left out.

    Raises:
        ConfigError: It is no such list, as a program may send.

    >>> read_ranks([0, 0, 16, 32])
    {-2: 16, -1: 32}
    """
    if not isinstance(ranks, list) or len(ranks) > MAX_LAYERS:
        raise ConfigError(f"`layer_ranks` must be a list of at most {MAX_LAYERS} ranks, got {quote(ranks)}.")
    return {layer - len(ranks): rank for layer, rank in enumerate(ranks) if rank}


def fit_ranks(ranks: Sequence[int], *, n_layers: int) -> list[int]:
    """Carry ranks over to another number of layers, the top layer staying the top one.

    >>> fit_ranks([0, 16, 32], n_layers=2), fit_ranks([16, 32], n_layers=3)
    ([16, 32], [0, 16, 32])
    """
    return ([0] * n_layers + list(ranks))[-n_layers:]
