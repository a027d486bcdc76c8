"""Texts that several processes classify: the first one reads and writes, and gives each, itself too, a chunk after the other.

The chunks are those that one process would make, and so are the answers.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from agnews_core.inference.classifier import CHUNK_TEXTS, Classifier
from agnews_core.inference.csv_files import iterate_probabilities
from agnews_core.inference.predictions import Progress
from agnews_core.processes import count_processes, gather, scatter


def iterate_shared(
    classifier: Classifier, texts: Sequence[str], on_progress: Progress
) -> Iterator[NDArray[np.float32]]:
    """Yield the (n_piece, 4) probabilities of piece after piece of the texts, in their order; called in the first process.

    Raises:
        ProcessLostError: Another process is gone.
    """
    n_processes = count_processes()
    if n_processes == 1:
        yield from iterate_probabilities(classifier, texts, on_progress)
        return
    for start in range(0, len(texts), n_processes * CHUNK_TEXTS):
        starts = [start + rank * CHUNK_TEXTS for rank in range(n_processes)]

        def tell(n_done: int, _: int, start: int = start) -> None:
            on_progress(min(start + n_done * n_processes, len(texts)), len(texts))

        own = scatter([texts[at : at + CHUNK_TEXTS] for at in starts])
        yield from gather(classifier.compute_probabilities(own, tell))
    scatter([None] * n_processes)


def classify_for_the_first(classifier: Classifier) -> None:
    """Classify what the first process gives this one, until there is no more.

    Raises:
        ProcessLostError: The first process is gone.
    """
    while (texts := scatter(None)) is not None:
        gather(classifier.compute_probabilities(texts))
