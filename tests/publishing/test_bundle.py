import json
import shutil
import stat
import zipfile

import pytest
from huggingface_hub import ModelCard

from agnews_core.errors import RunError
from agnews_core.evaluation.files import read_assessment, read_evaluated
from agnews_core.evaluation.report import EvaluationReport
from agnews_core.evaluation.sentences import describe_accuracy, describe_calibration
from agnews_core.inference.assess import load_assessment
from agnews_core.inference.catalogue import ClassifierCache, find_model
from agnews_core.inference.classifier import Classifier
from agnews_core.jobs.visitors import HOST, Visitor
from agnews_core.models.adapters import read_adapter_info
from agnews_core.models.card import build_card
from agnews_core.publishing.bundle import export_model, write_model_zip
from agnews_core.runs import Run, create_run


@pytest.fixture
def run(trained_run, tmp_path):
    shutil.copytree(trained_run.path, tmp_path / "runs" / "trained")
    return Run(tmp_path / "runs" / "trained")


@pytest.fixture
def exported(run, tmp_path):
    load_assessment(find_model(run.path.parent, bundled_dir=tmp_path), "validation", ClassifierCache())
    export_model(run, tmp_path / "bundled" / "tiny")
    return tmp_path / "bundled" / "tiny"


def test_the_folder_alone_answers_as_the_run_does(run, exported, tiny_backbone):
    text = ["Shares fell on Monday."]
    wanted = Classifier.load(run.adapter_dir).compute_logits(text)
    shutil.rmtree(run.path)
    assert (Classifier.load(exported, backbone_name=str(tiny_backbone)).compute_logits(text) == wanted).all()


def test_it_is_shown_as_a_bundled_model_with_figures_and_baseline(run, exported, tmp_path):
    wanted = read_assessment(run.path, "validation")
    model = find_model(tmp_path / "nothing", bundled_dir=tmp_path / "bundled")
    found = read_assessment(model.folder, "validation")
    assert found.baseline == wanted.baseline
    assert read_evaluated(model.folder, "validation") is None
    assert found.report.confusion_matrix == wanted.report.confusion_matrix
    assert sum(it.n for it in found.report.reliability) == 16


def test_it_holds_none_of_the_news_and_names_no_folder_of_this_machine(run, exported, tiny_backbone, tiny_news):
    report = EvaluationReport.model_validate_json((run.path / "report.json").read_text())
    assert report.mistakes  # else there would be nothing to leave out
    told = "".join(path.read_text() for path in exported.iterdir() if path.suffix in (".json", ".md"))
    for secret in (str(tiny_news), str(tiny_backbone.parent), *(json.dumps(it.text)[1:-1] for it in report.mistakes)):
        assert secret not in told
    assert "a folder of 160 texts" in told


def test_the_card_says_how_good_it_is_on_which_texts_and_how_to_make_it_again(exported):
    report = EvaluationReport.model_validate_json((exported / "report.json").read_text())
    card = ModelCard.load(exported / "README.md")
    assert f"On 16 texts that were not trained on (validation split): accuracy {report.accuracy:.4f}" in card.text
    assert describe_accuracy(report) in card.text
    assert describe_calibration(report) in card.text
    assert "python -m agnews_core train --config config.json --data FOLDER" in card.text
    assert card.data.base_model == "tiny-roberta"


def test_the_hub_reads_the_figures_from_the_card(exported):
    report = EvaluationReport.model_validate_json((exported / "report.json").read_text())
    results = {one.metric_type: one for one in ModelCard.load(exported / "README.md").data.eval_results}
    assert results["accuracy"].metric_value == round(report.accuracy, 4)
    assert results["f1"].metric_value == round(report.f1_macro, 4)
    assert {(one.task_type, one.dataset_split) for one in results.values()} == {("text-classification", "validation")}


@pytest.mark.parametrize("name", ["my: model", "- a", "x # y", "{a}", "a\nb"])
def test_a_base_model_with_any_name_has_a_card_that_can_be_read(run, name):
    info = read_adapter_info(run.adapter_dir).model_copy(update={"backbone": name})
    card = ModelCard(build_card(info))
    assert card.data.base_model is None  # it is no name on the hub
    assert card.data.library_name == "peft"
    assert f"# LoRA adapter of {name} for AG News" in card.text


def test_an_earlier_model_is_replaced_and_anything_else_is_not(run, exported, tmp_path):
    (exported / "report.json").unlink()
    export_model(run, exported)
    assert (exported / "report.json").exists()
    (exported / "letter.txt").write_text("x")
    with pytest.raises(RunError, match=r"tiny also holds letter.txt; name a folder that is not there yet"):
        export_model(run, exported)
    assert (exported / "letter.txt").exists()
    (tmp_path / "letters").mkdir()
    with pytest.raises(
        RunError, match="letters holds something else than a model; name a folder that is not there yet"
    ):
        export_model(run, tmp_path / "letters")
    assert [path.name for path in exported.parent.iterdir()] == ["tiny"]


def test_everybody_may_read_what_is_written(exported):
    assert all(path.stat().st_mode & stat.S_IROTH for path in [exported, *exported.iterdir()])


def test_a_run_without_a_model_has_none_to_export(tmp_path, run):
    waiting = create_run(tmp_path / "runs", run.read_config(), name="waiting")
    with pytest.raises(RunError, match="The run waiting has no model to export"):
        export_model(waiting, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("adapter_config.json", b"{torn", "adapter_config.json cannot be read"),
        ("adapter_config.json", b"{}", "adapter_config.json cannot be read"),
        ("adapter_config.json", b"\xff", "adapter_config.json cannot be read"),
        ("adapter_model.safetensors", None, "adapter_model.safetensors is missing"),
    ],
)
def test_a_damaged_model_is_said_to_be(run, tmp_path, name, damage, said):
    (run.adapter_dir / name).unlink() if damage is None else (run.adapter_dir / name).write_bytes(damage)
    with pytest.raises(RunError, match=f"The model of run trained is damaged: {said}"):
        export_model(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_evaluation_of_a_stopped_run_goes_along(run, tmp_path):
    run.update_status(state="stopped")
    (run.path / "report.json").unlink()  # what is kept of the split has the report too
    export_model(run, tmp_path / "out")
    assert (tmp_path / "out" / "report.json").is_file()


def test_the_zip_holds_that_folder(run):
    names = zipfile.ZipFile(write_model_zip(run, by=HOST)).namelist()
    assert {
        f"trained/{name}" for name in ("agnews.json", "adapter_model.safetensors", "README.md", "report.json")
    } <= set(names)


def test_a_visitor_downloads_only_a_run_of_their_own(run):
    with pytest.raises(
        RunError, match=r"^The run trained was not started in this browser; only who started it can download it\.$"
    ):
        write_model_zip(run, by=Visitor(key="other"))
    run.update_status(owner="other")
    assert write_model_zip(run, by=Visitor(key="other")).is_file()
