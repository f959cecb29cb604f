"""Texts that say the same: equal but for case and blanks, or nearly so by their runs of words (MinHash)."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from datasketch import MinHash

# Words in a run. Runs of five are seldom shared by texts that were not copied from each other.
RUN_LENGTH = 5

# Share of all their runs that two texts must have in common to be one. At 0.9 a text of 100 words may differ in one word of ten at
# most where changes stand together; what a version number alone tells apart is below it in short texts.
LEAST_SHARED_FRACTION = 0.9

# Shorter texts have too few runs to judge by, and a word more or less may turn what they say; only equal ones are the same.
FEWEST_RUNS = 50

# A pair is compared where one of 8 groups of 8 numbers is equal: at a shared fraction s with a chance of 1 - (1 - s^8)^8, which is
# 0.99 at 0.9 and 0.03 at 0.5.
_GROUPS = (8, 8)
_PERMUTATIONS = 64
_SEED = 1
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def find_duplicates(texts: Sequence[str]) -> list[int | None]:
    """Which earlier text each one repeats.

    Args:
        texts: In the order in which the first of those that are alike is to be kept.

    Returns:
        Per text the number of the kept text that it repeats; None where it is kept. What is kept never repeats another kept text
        that was found, and nothing points at a text that is not kept.
    """
    # It brings scipy along, which is a second at import for stages that never look for duplicates.
    from datasketch import MinHashLSH

    kept: dict[str, int] = {}
    numbers = _Numbers()
    kept_runs: dict[int, NDArray[np.uint64]] = {}
    index = MinHashLSH(num_perm=_PERMUTATIONS, params=_GROUPS)
    found: list[int | None] = []
    for number, text in enumerate(texts):
        plain = " ".join(text.casefold().split())
        same, runs = kept.get(plain), _build_runs(list(map(numbers.__getitem__, re.findall(r"\w+", plain))))
        if same is None and runs.size >= FEWEST_RUNS:
            sketch = _build_sketch(runs)
            same = _find_alike(runs, sorted(int(str(key)) for key in index.query(sketch)), kept_runs)
            if same is None:
                index.insert(number, sketch)
                kept_runs[number] = runs
        if same is None:
            kept[plain] = number
        found.append(same)
    return found


class _Numbers(dict[str, int]):
    """A number for each word, made once: a body of documents has few different words."""

    def __missing__(self, word: str) -> int:
        self[word] = number = crc32(word.encode("utf-8", "surrogatepass"))
        return number


def _build_runs(words: Sequence[int]) -> NDArray[np.uint64]:
    """A number for each run of words that occurs; 64 bits, so that two runs do not share one by chance."""
    numbers = np.array(words, dtype=np.uint64)
    if numbers.size < RUN_LENGTH:
        return np.zeros(0, dtype=np.uint64)
    runs = np.zeros(numbers.size - RUN_LENGTH + 1, dtype=np.uint64)
    for place in range(RUN_LENGTH):
        # An odd factor of 64 bits (the golden ratio's) mixes the words' numbers; overflow is the remainder that is wanted.
        runs = (runs * _FACTOR) ^ numbers[place : place + runs.size]
    return np.unique(runs * _FACTOR)


@cache
def _empty_sketch() -> "MinHash":
    """Permutations are drawn once: to draw them anew for every text takes a third of the time."""
    from datasketch import MinHash

    return MinHash(num_perm=_PERMUTATIONS, seed=_SEED, hashfunc=int)


def _build_sketch(runs: NDArray[np.uint64]) -> "MinHash":
    sketch = _empty_sketch().copy()
    sketch.update_batch((runs >> np.uint64(32)).tolist())
    return sketch


def _find_alike(runs: NDArray[np.uint64], candidates: Sequence[int], kept_runs: Mapping[int, NDArray[np.uint64]]) -> int | None:
    """The first candidate that really shares enough: a sketch only says whom to compare."""
    for candidate in candidates:
        shared = np.intersect1d(runs, kept_runs[candidate], assume_unique=True).size
        if shared >= LEAST_SHARED_FRACTION * (runs.size + kept_runs[candidate].size - shared):
            return candidate
    return None
