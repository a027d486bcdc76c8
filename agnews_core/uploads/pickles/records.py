"""The inert records that stand for what a pickle would have made. They hold values and can do nothing."""

from collections.abc import Callable, Iterator


class Name:
    """A class or function that the pickle names, as a note and no more."""

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind


class Pairs:
    """A pickled dict: its pairs in file order. Keys are not hashed, since a hostile key may take ages to."""

    __slots__ = ("_by_text", "pairs")

    def __init__(self) -> None:
        self.pairs: list[tuple[object, object]] = []
        self._by_text: dict[str, object] | None = None

    def by_text(self) -> dict[str, object]:
        """Return the pairs whose key is a str, the last one where a key is repeated."""
        if self._by_text is None:
            self._by_text = {key: value for key, value in self.pairs if isinstance(key, str)}
        return self._by_text


class Made:
    """What the pickle would have made by calling `kind` with `arguments`, and then filled."""

    __slots__ = ("arguments", "items", "kind", "pairs", "state")

    def __init__(self, kind: str, arguments: tuple[object, ...]) -> None:
        self.kind = kind
        self.arguments = arguments
        self.state: object = None
        self.items: list[object] = []
        self.pairs = Pairs()


class Rows:
    """Rows that are made anew each time that somebody goes through them, where all of them at once would take much room."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[], Iterator[object]]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[object]:
        return self._make()

    def map(self, function: Callable[[object], object]) -> "Rows":
        """Return the rows with a function applied to each."""
        return Rows(lambda: map(function, self._make()))
