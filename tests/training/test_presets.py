"""What a preset's settings teach a real base model."""

import pytest

from agnews_core.config import build_config
from agnews_core.inference.assess import evaluate, load_texts
from agnews_core.inference.classifier import Classifier
from agnews_core.runs import create_run
from agnews_core.training.recipe import train


@pytest.mark.slow
def test_quick_teaches_the_bundled_base_model_on_the_bundled_sample(tmp_path):
    run = create_run(tmp_path, build_config({"backbone": "all-MiniLM-L6-v2", "data": "sample"}, preset="quick"))
    assert train(run).state == "finished"
    report = evaluate(Classifier.load(run.adapter_dir), load_texts(run.read_resolved_config(), split="test")).report
    assert (report.n, report.accuracy > 0.85) == (120, True)
