"""The texts of a pickle, read in this process: what the child of `uploads` does, without its limits."""

from agnews_core.uploads.columns import Choice
from agnews_core.uploads.compression import unwrap
from agnews_core.uploads.pickles import follow, read_pickle


def read_texts(data, **choice):
    data, _ = unwrap(data, max_bytes=2**28)
    return read_pickle(follow(data), len(data), Choice(**choice)).texts
