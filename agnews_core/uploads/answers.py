"""How texts pass from the child to its parent: lines of texts as they are read, then a line that describes them.

They pass through a file, so that neither side need hold them all.
"""

import json
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from itertools import accumulate
from typing import IO, Any, Final, TypeVar, overload

MAX_TEXTS_PER_LINE: Final = 1_000
MAX_LETTERS_PER_LINE: Final = 1_000_000  # reached by long texts before they are a thousand
Item = TypeVar("Item", bound=Sized)


def cut_into_lines(items: Iterable[Item], count_letters: Callable[[Item], int] = len) -> Iterator[list[Item]]:
    """Cut texts, or rows of cells, into lists that each take a line."""
    line: list[Item] = []
    n_letters = 0
    for item in items:
        line.append(item)
        n_letters += count_letters(item)
        if len(line) == MAX_TEXTS_PER_LINE or n_letters >= MAX_LETTERS_PER_LINE:
            yield line
            line, n_letters = [], 0
    if line:
        yield line


class StoredTexts(Sequence[str]):
    """Texts in a file, of which only the lines asked for are in memory; a slice is a list. Threads may share it.

    Raises:
        ValueError: the file holds something else than lines of texts, when it is opened or later.
    """

    def __init__(self, file: IO[bytes], line_sizes: Sequence[int]) -> None:
        self._file, self._lock = file, threading.Lock()
        self._starts = [0, *accumulate(line_sizes)]
        self._firsts = [0, *accumulate(len(self._load(line)) for line in range(len(line_sizes)))]

    def __len__(self) -> int:
        return self._firsts[-1]

    def __iter__(self) -> Iterator[str]:
        for line in range(len(self._firsts) - 1):
            yield from self._load(line)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, int):
            row = range(len(self))[index]
            line = self._find_line(row)
            return self._load(line)[row - self._firsts[line]]
        rows = range(len(self))[index]
        return self._read(rows.start, rows.stop) if rows.step == 1 else [self[row] for row in rows]

    def _read(self, start: int, stop: int) -> list[str]:
        if start >= stop:
            return []
        first, last = self._find_line(start), self._find_line(stop - 1)
        texts = [text for line in range(first, last + 1) for text in self._load(line)]
        return texts[start - self._firsts[first] : stop - self._firsts[first]]

    def _find_line(self, row: int) -> int:
        return bisect_right(self._firsts, row) - 1

    def _load(self, line: int) -> list[str]:
        with self._lock:
            self._file.seek(self._starts[line])
            read = self._file.read(self._starts[line + 1] - self._starts[line])
        texts: Any = json.loads(read)
        if type(texts) is not list or not texts or not all(type(text) is str for text in texts):
            raise ValueError("a line holds something else than texts")
        return texts
