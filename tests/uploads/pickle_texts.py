"""The texts of a pickle, read in this process: what the child of `uploads` does, without its limits."""

from agnews_core.uploads.columns import Budget, Choice
from agnews_core.uploads.compression import unwrap
from agnews_core.uploads.limits import STRANGERS
from agnews_core.uploads.pickles import follow, read_pickle


def read_texts(data, **choice):
    always_bytes = STRANGERS.unfolded_bytes
    data, _ = unwrap(data, max_bytes=2**28, always_bytes=always_bytes)
    return read_pickle(follow(data), Choice(**choice), Budget(len(data), always_bytes=always_bytes)).texts
