"""The file that keeps what enters the lowest trained layer for each text: its layout, how it is filled, checked and read.

It is a safetensors file, whose header says to anybody what it holds: `offsets`, where the tokens of each text begin
(n_texts + 1); `checksums` (n_blocks); and `hidden_states` (n_tokens, hidden_size), without padding. It is filled block by block,
in any order and by any number of processes, and a block counts as filled once its checksum holds. So what a kill, a torn write or
a damaged disk leaves is a file with blocks to be computed again, and there is nothing else to mend. It knows no model.
"""

import json
import mmap
import os
import warnings
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from agnews_core.runs.locks import hold_shared

FORMAT = "agnews-replay-1"
BLOCK_TEXTS = 512  # computed and written together; 42 MB of roberta-base in bf16, at 53 tokens a text
DTYPES = {"bf16": (torch.bfloat16, "BF16"), "fp32": (torch.float32, "F32")}


@dataclass(frozen=True, eq=False)
class Layout:
    """What a file holds, and where.

    Attributes:
        key: What the hidden states depend on, in words.
        lengths: Tokens of each text.
        hidden_size: Numbers a token.
        dtype: "bf16" or "fp32".
    """

    key: Mapping[str, str]
    lengths: NDArray[np.int64]
    hidden_size: int
    dtype: str

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """The token that each text begins at, and the number of all tokens."""
        return np.concatenate(([0], np.cumsum(self.lengths))).astype("<i8")

    @property
    def n_texts(self) -> int:
        """How many texts there are."""
        return len(self.lengths)

    @property
    def n_blocks(self) -> int:
        """How many blocks they make."""
        return -(-self.n_texts // BLOCK_TEXTS)

    @property
    def token_bytes(self) -> int:
        """Bytes of a token's hidden states."""
        return self.hidden_size * DTYPES[self.dtype][0].itemsize

    @cached_property
    def prefix(self) -> bytes:
        """What the file begins with: header and offsets, the same in every file of this layout."""
        n_tokens, index = int(self.offsets[-1]), self.offsets.tobytes()
        sums_at, states_at = len(index), len(index) + 8 * self.n_blocks
        end = states_at + n_tokens * self.token_bytes
        header = {
            "__metadata__": {"format": FORMAT, **self.key},
            "offsets": {"dtype": "I64", "shape": [self.n_texts + 1], "data_offsets": [0, sums_at]},
            "checksums": {"dtype": "I64", "shape": [self.n_blocks], "data_offsets": [sums_at, states_at]},
            "hidden_states": {
                "dtype": DTYPES[self.dtype][1], "shape": [n_tokens, self.hidden_size], "data_offsets": [states_at, end],
            },
        }  # fmt: skip
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        return len(text).to_bytes(8, "little") + text + index

    @property
    def states_at(self) -> int:
        """Where the hidden states begin."""
        return len(self.prefix) + 8 * self.n_blocks

    @property
    def n_bytes(self) -> int:
        """The file's length."""
        return self.states_at + int(self.offsets[-1]) * self.token_bytes

    def rows_of(self, block: int) -> range:
        """Return the texts of a block."""
        return range(block * BLOCK_TEXTS, min((block + 1) * BLOCK_TEXTS, self.n_texts))

    def place_of(self, block: int) -> tuple[int, int]:
        """Return where a block's hidden states begin, and how many bytes they are."""
        rows = self.rows_of(block)
        begin, end = int(self.offsets[rows.start]), int(self.offsets[rows.stop])
        return self.states_at + begin * self.token_bytes, (end - begin) * self.token_bytes


def lay_out(path: Path, layout: Layout) -> None:
    """Make a file of this layout with all its room on the disk; one that is there keeps its blocks, a foreign one is replaced.

    Raises:
        OSError: There is no room, or the folder cannot be written.
    """
    if not _is_laid_out(path, layout):
        path.unlink(missing_ok=True)  # whoever may be reading the foreign one keeps it
        path.write_bytes(layout.prefix)
    with path.open("r+b") as file:
        file.truncate(layout.n_bytes)
        if hasattr(os, "posix_fallocate"):  # a disk too small is found out now, and not half an hour later
            os.posix_fallocate(file.fileno(), 0, layout.n_bytes)


def _is_laid_out(path: Path, layout: Layout) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(layout.prefix)) == layout.prefix
    except FileNotFoundError:
        return False


def find_unfilled(path: Path, layout: Layout, tell: Callable[[int], None]) -> list[int]:
    """Return the blocks of a file laid out whose checksum does not hold: not filled yet, or damaged.

    `tell` is called with the number of texts found so far; it may raise.
    """
    unfilled, n_filled = [], 0
    with path.open("rb") as file:
        file.seek(len(layout.prefix))
        checksums = np.frombuffer(file.read(8 * layout.n_blocks), dtype="<i8")
        for block, checksum in enumerate(checksums.tolist()):
            at, n_bytes = layout.place_of(block)
            file.seek(at)
            if checksum and zlib.crc32(file.read(n_bytes)) == checksum:
                n_filled += len(layout.rows_of(block))
                tell(n_filled)
            else:
                unfilled.append(block)
    return unfilled


def fill(path: Path, layout: Layout, blocks: Iterable[int], compute: Callable[[range], torch.Tensor]) -> None:
    """Compute some blocks of a file laid out; several processes may each fill their own.

    Args:
        path: The file.
        layout: Its layout.
        blocks: The blocks to fill.
        compute: Returns the hidden states of a range of texts, one after the other: (n_tokens, hidden_size).

    Raises:
        OSError: The file cannot be written.
    """
    with path.open("r+b") as file:
        for block in blocks:
            states = compute(layout.rows_of(block)).to(DTYPES[layout.dtype][0]).contiguous()
            written = states.view(torch.uint8).numpy()
            file.seek(layout.place_of(block)[0])
            file.write(written.data)
            file.seek(len(layout.prefix) + 8 * block)
            file.write(zlib.crc32(written.data).to_bytes(8, "little"))
            file.flush()


class HiddenStates:
    """The hidden states in a file that is filled: `states[row]` is (n_tokens, hidden_size), read when it is looked at.

    The file counts as in use, so that nobody makes room of it, for as long as this object lives.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        with path.open("rb") as file:
            hold_shared(file)
            # It keeps a descriptor of its own of the same open file, and the lock with it.
            self._mapped = mmap.mmap(file.fileno(), layout.n_bytes, access=mmap.ACCESS_READ)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The given buffer is not writable", UserWarning)  # nobody writes to it
            flat = torch.frombuffer(self._mapped, dtype=DTYPES[layout.dtype][0], offset=layout.states_at)
        self._states = flat.view(-1, layout.hidden_size)  # (n_tokens, hidden_size)
        self._layout, self._offsets = layout, layout.offsets.tolist()

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, row: int) -> torch.Tensor:
        return self._states[self._offsets[row] : self._offsets[row + 1]]

    def expect(self, row: int) -> None:
        """Have the system begin to read a text from the disk, where it can be asked to."""
        if hasattr(self._mapped, "madvise"):
            at = self._layout.states_at + self._offsets[row] * self._layout.token_bytes
            begin = at - at % mmap.PAGESIZE
            end = self._layout.states_at + self._offsets[row + 1] * self._layout.token_bytes
            self._mapped.madvise(mmap.MADV_WILLNEED, begin, end - begin)
