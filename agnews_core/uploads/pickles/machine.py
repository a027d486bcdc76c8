"""Follows a pickle's opcodes without making any of the objects that it describes.

What comes out is made of Python's own str, int, float, bool, None, bytes views, lists and tuples, and of three inert
records: a `Name` where the pickle names a class or function, a `Made` where it calls or builds something, a `Pairs`
where it makes a dict. Nothing is imported, looked up in a module or called, so there is no class that could be changed
and no `__setstate__` that could replay a program. Which names are allowed is `names`; what the records mean is
left to the modules that read texts from them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias

from agnews_core.errors import DataError, UnsafePickleError
from agnews_core.uploads.pickles.names import canonical_name
from agnews_core.uploads.pickles.opcodes import damaged, read_opcodes
from agnews_core.uploads.pickles.records import Made, Name, Pairs

WAY_OUT: Final = "save the texts as a plain list of strings or as CSV and use that"
MAX_OPEN_MARKS: Final = 1_000
MAX_RECORDS: Final = 2_000_000
MAX_NAMES_SHOWN: Final = 10

# datetime columns in a zone name this one method; nothing else may be fetched from anything.
ALLOWED_GETATTR: Final = ("zoneinfo.ZoneInfo", "_unpickle")


@dataclass(frozen=True)
class Followed:
    """What following the opcodes of what may be a pickle came to.

    Attributes:
        n_opcodes: how many make sense one after the other.
        is_whole: whether all of the file does, so that it is a pickle, be it an unsafe one.
        record: the inert record of what it describes; None where there is an error.
        error: why it is not opened: an UnsafePickleError, which tells more, before that the rest is damaged.
    """

    n_opcodes: int
    is_whole: bool
    record: object = None
    error: DataError | None = None


def follow(data: bytes) -> Followed:
    """Follow the opcodes of what may be a pickle, to their end or to the first that makes no sense."""
    machine = _Machine()
    try:
        for name, argument in read_opcodes(data):
            machine.follow(name, argument)
        record = machine.pop()
        machine.refuse_offenders()
    except UnsafePickleError as error:
        return Followed(machine.opcodes_seen, is_whole=True, error=error)
    except DataError as error:
        return Followed(machine.opcodes_seen, is_whole=False, error=machine.find_offence() or error)
    return Followed(machine.opcodes_seen, is_whole=True, record=record)


class _Machine:
    """A stack, a memo and the marks between them, as the pickle format has them."""

    def __init__(self) -> None:
        self.stack: list[object] = []
        self.marked: list[list[object]] = []
        self.memo: dict[int, object] = {}
        self.offenders: dict[str, None] = {}  # a set that keeps its order
        self.opcodes_seen = 0
        self.records_left = MAX_RECORDS

    def follow(self, name: str, argument: object) -> None:
        self.opcodes_seen += 1
        step = _STEPS.get(name)
        if step is None:
            raise damaged(f"the opcode {name} has no place in a file")
        step(self, argument)

    def find_offence(self) -> UnsafePickleError | None:
        if not self.offenders:
            return None
        shown = ", ".join(list(self.offenders)[:MAX_NAMES_SHOWN])
        more = len(self.offenders) - MAX_NAMES_SHOWN
        return UnsafePickleError(
            f"This pickle asks for more than plain data ({shown}{f' and {more} more' if more > 0 else ''}), "
            f"so it was not opened; {WAY_OUT}."
        )

    def refuse_offenders(self) -> None:
        offence = self.find_offence()
        if offence:
            raise offence

    def push(self, value: object) -> None:
        self.stack.append(value)

    def push_new(self, value: object) -> None:
        """Push something that takes more room in memory than in the file."""
        self.records_left -= 1
        if self.records_left < 0:
            raise DataError(
                f"This pickle holds more than {MAX_RECORDS:,} lists and records; save the texts in smaller parts."
            )
        self.stack.append(value)

    def pop(self) -> object:
        if not self.stack:
            raise damaged("it takes a value that is not there")
        return self.stack.pop()

    def top(self) -> object:
        if not self.stack:
            raise damaged("it uses a value that is not there")
        return self.stack[-1]

    def pop_tuple(self) -> tuple[object, ...]:
        value = self.pop()
        if not isinstance(value, tuple):
            raise damaged("it calls something without a tuple of arguments")
        return value

    def pop_to_mark(self) -> list[object]:
        if not self.marked:
            raise damaged("it closes a group that was not opened")
        values, self.stack = self.stack, self.marked.pop()
        return values

    def mark(self) -> None:
        if len(self.marked) >= MAX_OPEN_MARKS:
            raise damaged(f"it is nested more than {MAX_OPEN_MARKS:,} deep")
        self.marked.append(self.stack)
        self.stack = []

    def remember(self, index: object) -> None:
        if not isinstance(index, int) or not 0 <= index <= self.opcodes_seen:
            raise damaged(f"it numbers a value {index}, which is more than it holds")
        self.memo[index] = self.top()

    def recall(self, index: object) -> None:
        if not isinstance(index, int) or index not in self.memo:
            raise damaged(f"it uses value {index}, which it does not hold")
        self.push(self.memo[index])

    def name(self, module: object, name: object) -> Name:
        """Look a pair up in the table; an unknown one is noted, and the rest is read on so that all are named."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise damaged("a class has no name")
        kind = canonical_name(module, name)
        if kind is None:
            self.offend(f"{module}.{name}")
        return Name(kind or "")

    def offend(self, what: str) -> None:
        self.offenders[_printable(what)] = None

    def call(self, callee: object, arguments: tuple[object, ...]) -> object:
        if not isinstance(callee, Name):
            self.offend("a call of something that is not a named class")
            return Made("", arguments)
        if callee.kind == "builtins.getattr":
            return self.get_attribute(arguments)
        if callee.kind in ("copyreg._reconstructor", "copyreg.__newobj__"):
            return self.make_through_copyreg(callee.kind, arguments)
        return Made(callee.kind, arguments)

    def make_through_copyreg(self, how: str, arguments: tuple[object, ...]) -> Made:
        """Make what protocols 0 and 1 write as a call: (class, base, what the base holds) or (class, *arguments)."""
        cls, *rest = arguments or (None,)
        if not isinstance(cls, Name):
            raise damaged("it makes an object of no class")
        if how == "copyreg.__newobj__":
            return Made(cls.kind, tuple(rest))
        made = Made(cls.kind, ())
        held = rest[1] if len(rest) == 2 else None
        if isinstance(held, Pairs):
            made.pairs = held
        elif isinstance(held, list):
            made.items = held
        elif held is not None:
            made.arguments = (held,)
        return made

    def get_attribute(self, arguments: tuple[object, ...]) -> object:
        subject, attribute = arguments if len(arguments) == 2 else (None, None)
        if isinstance(subject, Name) and isinstance(attribute, str) and (subject.kind, attribute) == ALLOWED_GETATTR:
            return Name("zoneinfo.ZoneInfo._unpickle")
        self.offend("builtins.getattr")
        return Made("", arguments)

    def set_pairs(self, values: list[object]) -> None:
        holder = self.top()
        if isinstance(holder, Made):
            holder = holder.pairs
        if not isinstance(holder, Pairs) or len(values) % 2:
            raise damaged("it sets a pair in something that holds none")
        holder.pairs.extend(zip(values[::2], values[1::2], strict=True))

    def add_items(self, values: list[object]) -> None:
        holder = self.top()
        if isinstance(holder, Made):
            holder = holder.items
        if not isinstance(holder, list):
            raise damaged("it adds an item to something that holds none")
        holder.extend(values)

    def build(self) -> None:
        state, holder = self.pop(), self.top()
        if isinstance(holder, Name):
            self.offend(f"a change of {holder.kind or 'a class'}")
        elif not isinstance(holder, Made) or holder.state is not None:
            raise damaged("it sets the state of something that has none")
        else:
            holder.state = state

    def make_with_keywords(self) -> None:
        keywords = self.pop()
        if not isinstance(keywords, Pairs) or keywords.pairs:  # what holds texts is never made so
            raise damaged("it makes an object with named arguments")
        self.reduce()

    def make_old(self) -> None:
        values = self.pop_to_mark()
        if not values:
            raise damaged("it makes an object of no class")
        self.push_new(self.call(values[0], tuple(values[1:])))

    def push_stack_global(self) -> None:
        name, module = self.pop(), self.pop()
        self.push(self.name(module, name))

    def reduce(self) -> None:
        arguments = self.pop_tuple()
        self.push_new(self.call(self.pop(), arguments))

    def push_pairs(self, values: list[object]) -> None:
        self.push_new(Pairs())
        self.set_pairs(values)

    def push_set(self, values: list[object]) -> None:
        made = Made("builtins.set", ())
        made.items = values
        self.push_new(made)

    def push_tuple(self, count: int) -> None:
        values = [self.pop() for _ in range(count)]
        self.push_new(tuple(reversed(values)))

    def pop_or_unmark(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.pop_to_mark()

    def check_protocol(self, version: object) -> None:
        if not isinstance(version, int) or version > 5:
            raise damaged(f"it is written in protocol {version}, and 5 is the newest there is")

    def refuse_outside(self, what: str) -> NoReturn:
        self.offend(what)
        self.refuse_offenders()
        raise AssertionError  # never reached


def _printable(text: str) -> str:
    """Shorten a name from the file and strip what does not belong into a message."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:100])


def _outside(what: str) -> "_Step":
    return lambda machine, _: machine.refuse_outside(what)


_Step: TypeAlias = Callable[[_Machine, Any], object]
_LITERALS: Final = (
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING BINBYTES "
    "SHORT_BINBYTES BINBYTES8 BYTEARRAY8 UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8"
)
_STEPS: Final[dict[str, _Step]] = {
    **dict.fromkeys(_LITERALS.split(), _Machine.push),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "EMPTY_LIST": lambda machine, _: machine.push_new([]),
    "EMPTY_DICT": lambda machine, _: machine.push_new(Pairs()),
    "EMPTY_SET": lambda machine, _: machine.push_set([]),
    "MARK": lambda machine, _: machine.mark(),
    "POP": lambda machine, _: machine.pop_or_unmark(),
    "POP_MARK": lambda machine, _: machine.pop_to_mark(),
    "DUP": lambda machine, _: machine.push(machine.top()),
    "LIST": lambda machine, _: machine.push_new(machine.pop_to_mark()),
    "TUPLE": lambda machine, _: machine.push_new(tuple(machine.pop_to_mark())),
    "DICT": lambda machine, _: machine.push_pairs(machine.pop_to_mark()),
    "FROZENSET": lambda machine, _: machine.push_set(machine.pop_to_mark()),
    "TUPLE1": lambda machine, _: machine.push_tuple(1),
    "TUPLE2": lambda machine, _: machine.push_tuple(2),
    "TUPLE3": lambda machine, _: machine.push_tuple(3),
    "APPEND": lambda machine, _: machine.add_items([machine.pop()]),
    "APPENDS": lambda machine, _: machine.add_items(machine.pop_to_mark()),
    "ADDITEMS": lambda machine, _: machine.add_items(machine.pop_to_mark()),
    "SETITEM": lambda machine, _: machine.set_pairs([machine.pop(), machine.pop()][::-1]),
    "SETITEMS": lambda machine, _: machine.set_pairs(machine.pop_to_mark()),
    "MEMOIZE": lambda machine, _: machine.remember(len(machine.memo)),
    "PUT": _Machine.remember,
    "BINPUT": _Machine.remember,
    "LONG_BINPUT": _Machine.remember,
    "GET": _Machine.recall,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "GLOBAL": lambda machine, pair: machine.push(machine.name(*pair)),
    "STACK_GLOBAL": lambda machine, _: machine.push_stack_global(),
    "REDUCE": lambda machine, _: machine.reduce(),
    "BUILD": lambda machine, _: machine.build(),
    "INST": lambda machine, pair: machine.push_new(machine.call(machine.name(*pair), tuple(machine.pop_to_mark()))),
    "OBJ": lambda machine, _: machine.make_old(),
    "NEWOBJ": lambda machine, _: machine.reduce(),
    "NEWOBJ_EX": lambda machine, _: machine.make_with_keywords(),
    "PROTO": _Machine.check_protocol,
    "FRAME": lambda machine, _: None,
    "STOP": lambda machine, _: None,
    "PERSID": _outside("a reference to something outside the file"),
    "BINPERSID": _outside("a reference to something outside the file"),
    "EXT1": _outside("the extension registry"),
    "EXT2": _outside("the extension registry"),
    "EXT4": _outside("the extension registry"),
}
