"""A tiny real backbone and tiny real news, built offline once, for tests that really train."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import pandas as pd
import pytest

from agnews_core import hub
from agnews_core.news import plain
from agnews_core.news.sources import HUB_DATASET, SAMPLE_DIR
from tests.local_hub import LocalHub

# Tests that want the hub say so; no other may wait for it.
os.environ["HF_HUB_OFFLINE"] = "1"
# A tiny model gains nothing from a second thread, and on a busy machine threads that wait for each other are slow.
os.environ["OMP_NUM_THREADS"] = "1"
# The plain engine, so that numbers are the same on every machine; the tests of the others name them.
os.environ["AGNEWS_ENGINE"] = "torch"
os.environ.pop("AGNEWS_DATA_DIR", None)
os.environ.pop("AGNEWS_RUNS_DIR", None)
# What can be made again is made for these tests, and is gone with them.
_CACHE = tempfile.TemporaryDirectory(prefix="agnews-tests-")
os.environ["AGNEWS_CACHE_DIR"] = _CACHE.name
FIXTURES = Path(__file__).parent / "fixtures"


def read_sample(split: str) -> list[dict]:
    return [json.loads(line) for line in (SAMPLE_DIR / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """What a test logged may hold halves of characters, which cannot be sent from a worker of pytest-xdist."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report


@pytest.fixture(autouse=True)
def _forget_what_the_hub_said():
    hub.hub_answers.forget()
    yield
    hub.hub_answers.forget()


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory) -> Path:
    """A random RoBERTa of 12 layers x 32 with a tokenizer of its own, saved as transformers saves them."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaModel

    folder = tmp_path_factory.mktemp("backbone") / "tiny-roberta"
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(
        vocab_size=800,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((row["text"] for row in read_sample("train")), trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", cls_token="<s>", sep_token="</s>", pad_token="<pad>",
        unk_token="<unk>", mask_token="<mask>", model_max_length=128,
    ).save_pretrained(folder)  # fmt: skip
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=len(tokenizer.get_vocab()), hidden_size=32, num_hidden_layers=12, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=130, type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    RobertaModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_news(tmp_path_factory) -> Path:
    """A folder of 160 training and 40 test texts from the bundled sample."""
    folder = tmp_path_factory.mktemp("news")
    for split, count in (("train", 160), ("test", 40)):
        lines = "".join(json.dumps(row) + "\n" for row in read_sample(split)[:count])
        (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    return folder


@pytest.fixture
def few_plain_texts(monkeypatch):
    """In place of the bundled plain texts, two of each class and kind."""
    monkeypatch.setattr(plain, "PLAIN_DIR", FIXTURES)


@pytest.fixture(scope="session")
def tiny_settings(tiny_backbone, tiny_news) -> dict:
    """Settings of a run of a few seconds: 9 steps of 32 texts, evaluated three times."""
    return {
        "backbone": str(tiny_backbone),
        "data": str(tiny_news),
        "max_length": 48,
        "num_train_epochs": 2,
        "learning_rate": 5e-3,
        "per_device_train_batch_size": 32,
        "eval_steps": 3,
        "max_steps": 9,
    }


@pytest.fixture(scope="session")
def trained_run(tiny_settings, tmp_path_factory):
    """A finished run of the tiny backbone."""
    from agnews_core.config import build_config
    from agnews_core.runs import create_run
    from agnews_core.training.recipe import train

    run = create_run(tmp_path_factory.mktemp("runs"), build_config(tiny_settings), name="trained")
    train(run)
    return run


@pytest.fixture
def local_hub(monkeypatch, tmp_path):
    """A hub on this machine and an empty cache, for this process and for the children that it starts."""
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    served = LocalHub()
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", served.url)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    read_at_import = {
        "HF_HUB_OFFLINE": False,
        "ENDPOINT": served.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": f"{served.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}",
        "HF_HUB_CACHE": str(tmp_path / "hub"),
    }
    for name, value in read_at_import.items():
        monkeypatch.setattr(constants, name, value)
    close_session()
    yield served
    served.stop()
    close_session()


@pytest.fixture
def hub_news(local_hub, tmp_path):
    """A hub with a small AG News in the files that the real one has."""
    (tmp_path / "repo" / "data").mkdir(parents=True)
    for split, count in (("train", 80), ("test", 8)):
        texts = [f"{split} {number}" for number in range(count)]
        frame = pd.DataFrame({"text": texts, "label": [0, 1, 2, 3] * (count // 4)})
        frame.to_parquet(tmp_path / "repo" / "data" / f"{split}-00000-of-00001.parquet")
    local_hub.add(HUB_DATASET, tmp_path / "repo", repo_type="dataset", **{"README.md": b"# AG News"})
    return local_hub


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
