"""Tokens: how a model cuts a text, by the tokenizer that it was trained with.

Counts that are stored name the tokenizer's version: another one counts other tokens.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.errors import ModelError
from headrace.llm import hub
from headrace.settings import Settings

if TYPE_CHECKING:
    import tokenizers

# The entry of the model hub whose tokenizer counts the tokens of documents.
DEFAULT = "all-minilm-l6-v2"
FILE = "tokenizer.json"


@dataclass(frozen=True, kw_only=True)
class Tokenizer:
    """A tokenizer, safe to use from several threads.

    Attributes:
        version: `name@first 12 digits of the file's sha256`.
    """

    version: str
    _inner: "tokenizers.Tokenizer"

    def count(self, texts: Sequence[str]) -> list[int]:
        """Number of tokens of each text, without those that a model adds at both ends."""
        return [len(found.ids) for found in self._inner.encode_batch(list(texts), add_special_tokens=False)]

    def truncate(self, text: str, limit: int) -> str:
        """The beginning of a text that has at most `limit` tokens; cut between tokens, nothing is rewritten."""
        return next(iter(self.cut(text, limit)), "")

    def cut(self, text: str, limit: int) -> list[str]:
        """A text as pieces of at most `limit` tokens, in order; a piece begins where the one before ended, white space aside."""
        offsets = self._inner.encode(text, add_special_tokens=False).offsets
        parts = [offsets[start : start + limit] for start in range(0, len(offsets), limit)]
        return [text[part[0][0] : part[-1][1]] for part in parts]

    def encode(self, texts: Sequence[str], *, limit: int) -> list[list[int]]:
        """Ids of each text as a model takes them: with those at both ends, at most `limit`; a longer text loses its end."""
        found = self._inner.encode_batch(list(texts))
        # The last id closes the text, so it stays where a text is cut.
        return [one.ids if len(one.ids) <= limit else [*one.ids[: limit - 1], one.ids[-1]] for one in found]


def load_tokenizer(path: Path, *, name: str = DEFAULT) -> Tokenizer:
    """A tokenizer from its `tokenizer.json`.

    Args:
        path: The file.
        name: What its version is called after.

    Raises:
        ModelError: The file is missing or describes no tokenizer.
    """
    import tokenizers

    try:
        content = path.read_bytes()
        # The library says a plain Exception where the description is none.
        has_words = bool(json.loads(content)["model"]["vocab"])
    except OSError as error:
        raise ModelError(f"no tokenizer at {path}: {error.strerror}; name the {FILE} of a model") from error
    except (ValueError, KeyError, TypeError):
        has_words = False
    if not has_words:
        raise ModelError(f"{path} describes no tokenizer; name the {FILE} of a model")
    inner = tokenizers.Tokenizer.from_str(content.decode("utf-8"))
    # Files carry limits of their own, here 128 tokens; how long a text may be is said where it is used.
    inner.no_truncation()
    inner.no_padding()
    return Tokenizer(version=f"{name}@{hashlib.sha256(content).hexdigest()[:12]}", _inner=inner)


def load_default(settings: Settings) -> Tokenizer:
    """The tokenizer that counts the tokens of documents, fetched where it is not here yet."""
    return load_tokenizer(hub.fetch(settings, DEFAULT) / FILE)
