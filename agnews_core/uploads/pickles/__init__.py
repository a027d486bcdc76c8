"""Reads the texts out of a pickle that a stranger made, without running any of it.

    bytes -> opcodes -> machine -> a record of inert stand-ins
          -> texts -> datasets | frames | series | arrow | arrays -> columns
          -> list[str]

No class or function that a pickle names is ever imported, let alone called, and no list of safe classes is relied on:
the names only say how the bytes beside them are laid out. What a file may make of itself is limited, but not how
long that may take: `uploads` reads in a process of its own for that.
"""

from agnews_core.uploads.pickles.machine import Followed, follow
from agnews_core.uploads.pickles.records import Pairs, Rows
from agnews_core.uploads.pickles.texts import choose_from_record, read_pickle

__all__ = ["Followed", "Pairs", "Rows", "choose_from_record", "follow", "read_pickle"]
