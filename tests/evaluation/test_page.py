import json

import numpy as np
import pytest

from agnews_core.evaluation.compute import compute_report
from agnews_core.evaluation.files import Assessment
from agnews_core.evaluation.layers import LayerEffect, LayerEffects
from agnews_core.evaluation.page import build_html, build_json
from agnews_core.evaluation.report import Baseline

BASELINE = Baseline(
    accuracy=0.5, accuracy_low=0.15, accuracy_high=0.85, n=4, n_only_model_right=2, n_only_baseline_right=1, p_value=1.0,
    n_train=100, n_train_available=250, fit_seconds=1.0, rows_digest="x",
)  # fmt: skip


@pytest.fixture
def report():
    texts = ["Talks", "A <script>alert(1)</script> goal", "Shares", "A probe"]
    shares = np.full((4, 4), 0.1, dtype=np.float32)
    shares[[0, 1, 2, 3], [0, 2, 2, 3]] = 0.7
    return compute_report(
        texts, np.array([0, 1, 2, 3]), shares, split="validation", data_source="a & b", data_counts={}, backbone="tiny", seed=7
    )  # fmt: skip


def test_the_page_needs_nothing_else_and_escapes_what_others_wrote(report):
    bad = "<script>"
    others = report.model_copy(update={"created_at": bad, "split": bad, "backbone": bad, "versions": {bad: bad}})
    page = build_html(Assessment(others, BASELINE.model_copy(update={"name": bad})), title="Run <x>")
    assert "<script" not in page
    assert "A &lt;script&gt;alert(1)&lt;/script&gt; goal" in page
    assert "Run &lt;x&gt;" in page
    assert "http" not in page
    assert "75.00%" in page


def test_a_report_without_its_texts_does_not_claim_that_all_were_right(report):
    page = build_html(Assessment(report.model_copy(update={"mistakes": []})), title="x")
    assert "Their texts are not part of this report." in page


def test_the_page_shows_how_often_the_model_was_right_by_how_sure_it_was(report):
    page = build_html(Assessment(report), title="x")
    assert '<td class="">67% to 73%</td><td class="n">4</td><td class="n">70.0%</td><td class="n">75.0%</td>' in page


def test_the_json_holds_report_and_baseline(report):
    found = json.loads(build_json(Assessment(report, BASELINE)))
    assert found["accuracy"] == 0.75
    assert found["baseline"]["accuracy"] == 0.5
    assert json.loads(build_json(Assessment(report)))["baseline"] is None


def test_the_page_shows_published_figures_beside_ag_news_alone(report):
    page = build_html(Assessment(report.model_copy(update={"is_ag_news": True})), title="x")
    assert "roberta-base with LoRA (published)" in page
    assert "Published for AG News, on its official test split; not measured here: " in page
    assert "published" not in build_html(Assessment(report), title="x").partition("</style>")[2]


def test_the_page_shows_what_is_lost_without_each_layer(report):
    effect = LayerEffect(layer=11, r=32, parameters=8192, lost=0.25, error=0.1, p_value=0.01)
    layers = LayerEffects(
        split="test", n=4, n_available=4, accuracy=0.75, layers=[effect], engine="x", seconds=1.0, created_at="x"
    )
    page = build_html(Assessment(report, None, layers), title="x")
    assert "Which layers earn their rank" in page
    assert '<td class="n">25.0 ± 10.0</td>' in page
    assert json.loads(build_json(Assessment(report, None, layers)))["layers"]["layers"][0]["layer"] == 11
    assert "Which layers" not in build_html(Assessment(report), title="x")
