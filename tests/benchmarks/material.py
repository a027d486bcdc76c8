"""What is measured on: news of any number of rows, and a base model in the shape of roberta-base.

News is that of AGNEWS_DATA_DIR, else the bundled sample; where it has too few rows they are repeated, each with a number, so
that none repeats another.
"""

import os
import shutil
import tempfile
from pathlib import Path

from agnews_core.folders import get_cache_dir

ROBERTA_SHAPE = "roberta-base-shape"
BUNDLED = "all-MiniLM-L6-v2"


def read_news(n_rows: int):
    """Return a DataFrame of `n_rows` rows with the columns `text` and `label`, in the order of their files."""
    import pandas as pd

    from agnews_core.news.sources import find_news
    from agnews_core.news.tables import read_split

    found = read_split(find_news("auto" if "AGNEWS_DATA_DIR" in os.environ else "sample").path, "train")
    found = found.drop_duplicates("text", ignore_index=True)
    repeats = [found.assign(text=found["text"] + f" ({number})") for number in range(1, -(-n_rows // len(found)))]
    return pd.concat([found, *repeats], ignore_index=True)[["text", "label"]][:n_rows]


def write_news(folder: Path, n_rows: int) -> Path:
    """Write news as a folder that a training reads, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    read_news(n_rows).to_parquet(folder / "train.parquet", index=False)
    return folder


def write_texts(path: Path, n_rows: int) -> Path:
    """Write texts as the CSV file that a person predicts, and return it."""
    read_news(n_rows)[["text"]].to_csv(path, index=False)
    return path


def find_backbone(name: str) -> str:
    """Return what the setting `backbone` takes for a name; "roberta-base-shape" is built where it is not there yet."""
    if name != ROBERTA_SHAPE:
        return name
    folder = get_cache_dir() / "benchmarks" / ROBERTA_SHAPE
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(dir=folder.parent))
        build_roberta(building)
        building.rename(folder)
    return str(folder)


def build_roberta(folder: Path) -> None:
    """Save roberta-base's own configuration with random weights, and the bundled tokenizer, which needs no download.

    Its WordPieces are about as many a text as roberta-base's, and it pads with 0.
    """
    import torch
    from transformers import AutoConfig, AutoModel

    from agnews_core.models.backbones import KNOWN_CONFIGS, load_backbone

    torch.manual_seed(0)
    config = AutoConfig.for_model(**KNOWN_CONFIGS["roberta-base"] | {"pad_token_id": 0})
    AutoModel.from_config(config).save_pretrained(folder)
    for path in load_backbone(BUNDLED).folder.glob("*"):
        if path.name.startswith(("tokenizer", "vocab", "special_tokens")):
            shutil.copy(path, folder)
