"""Changes honest and hostile pickles at random and reads texts from them, many in one limited process.

    python -m tests.uploads.fuzz_pickles SEED COUNT

Ends with status 0 and one line of JSON: how many gave texts, how many a DataError, and the slowest. Anything else than
these two outcomes ends it at once, with the number of the file: `change(SEED, number)` makes that file again.
"""

import functools
import json
import random
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path

from agnews_core.errors import DataError
from agnews_core.uploads.limits import STRANGERS
from agnews_core.uploads.process_limits import limit_process
from tests.uploads.hostile_pickles import build
from tests.uploads.pickle_texts import read_texts

MAX_SEED_FILE_BYTES = 100_000
NUMBERS = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**63, 2**64 - 1]


@functools.cache
def seed_files():
    files = [data for data in build().values() if 0 < len(data) < MAX_SEED_FILE_BYTES]
    for archive in sorted((Path(__file__).parents[1] / "fixtures").glob("honest-*.tar.xz")):
        with tarfile.open(archive) as tar:
            files += [tar.extractfile(member).read() for member in tar if member.name.endswith(".pkl")]
    return files


def change(seed, number):
    """Return file `number` of a run, the same one each time."""
    chance = random.Random(f"{seed}/{number}")
    data = bytearray(chance.choice(seed_files()))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        chance.choice(WAYS)(chance, data)
    return bytes(data)


def set_byte(chance, data):
    if data:
        data[chance.randrange(len(data))] = chance.randrange(256)


def flip_bit(chance, data):
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def set_number(chance, data):
    size = chance.choice((1, 2, 4, 8))
    at = chance.randrange(len(data) + 1)
    data[at : at + size] = (chance.choice(NUMBERS) & (2 ** (8 * size) - 1)).to_bytes(size, "little")


def cut(chance, data):
    at = chance.randrange(len(data) + 1)
    del data[at : at + chance.choice((1, 2, 9, 50, 1_000_000))]


def insert_opcode(chance, data):
    at = chance.randrange(len(data) + 1)
    data[at:at] = bytes(
        [chance.choice(b"()]}lde.012NRbocisutaqrhjgpQP\x80\x81\x82\x85\x86\x87\x88\x8f\x90\x91\x92\x93\x94")]
    )


def repeat(chance, data):
    at = chance.randrange(len(data) + 1)
    piece = data[at : at + chance.randrange(1, 60)]
    data[at:at] = piece * chance.choice((1, 2, 300))


def splice(chance, data):
    other = chance.choice(seed_files())
    start = chance.randrange(len(other))
    at = chance.randrange(len(data) + 1)
    data[at : at + chance.randrange(200)] = other[start : start + chance.randrange(1, 400)]


def swap_pieces(chance, data):
    first, second = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    size = chance.randrange(1, 40)
    data[first : first + size], data[second : second + size] = data[second : second + size], data[first : first + size]


WAYS = (set_byte, set_byte, flip_bit, set_number, cut, insert_opcode, repeat, splice, swap_pieces)


def run(seed, count):
    outcomes = {"texts": 0, "errors": 0, "slowest_seconds": 0.0}
    for number in range(count):
        data = change(seed, number)
        started = time.perf_counter()
        try:
            texts = read_texts(data, missing="empty")
        except DataError:
            outcomes["errors"] += 1
        except BaseException:
            print(f"file {number} of seed {seed}", file=sys.stderr)
            raise
        else:
            outcomes["texts"] += 1
            assert all(type(text) is str for text in texts), number
        outcomes["slowest_seconds"] = max(outcomes["slowest_seconds"], round(time.perf_counter() - started, 3))
    return outcomes


if __name__ == "__main__":
    limit_process(replace(STRANGERS, cpu_seconds=7_200, answer_bytes=2**20))
    print(json.dumps(run(sys.argv[1], int(sys.argv[2]))))
