import hashlib

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import ModelError
from headrace.llm.tokenizing import Tokenizer, load_tokenizer

WORDS = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3, "list": 4, "is": 5, "mutable": 6, ".": 7}


def write_tokenizer(path):
    """A tokenizer of eight words that adds a token at both ends and, as the published ones do, cuts and fills by itself."""
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(WORDS, unk_token="[UNK]"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    inner.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    inner.enable_truncation(4)
    inner.enable_padding(length=4)
    inner.save(str(path))
    return path


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> Tokenizer:
    return load_tokenizer(write_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"), name="tiny")


def test_a_count_is_of_the_text_alone_whatever_limits_the_file_has(tokenizer):
    assert tokenizer.count(["a list is mutable.", "", "a"]) == [5, 0, 1]


def test_ids_have_both_ends_and_a_long_text_loses_its_end_only(tokenizer):
    assert tokenizer.encode(["a list is mutable.", "a"], limit=4) == [[1, 3, 4, 2], [1, 3, 2]]
    assert tokenizer.encode(["a list is mutable."], limit=7) == [[1, 3, 4, 5, 6, 7, 2]]


def test_a_truncated_text_is_its_own_beginning(tokenizer):
    assert tokenizer.truncate("a  list is mutable.", 2) == "a  list"
    assert tokenizer.truncate("a", 2) == "a"
    assert tokenizer.truncate("", 2) == ""


@given(st.text(alphabet="a list.\nX é", max_size=60), st.integers(1, 5))
def test_pieces_hold_the_whole_text_in_order_and_none_is_longer_than_the_limit(tokenizer, text, limit):
    pieces = tokenizer.cut(text, limit)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(0 < count <= limit for count in tokenizer.count(pieces))


def test_a_version_names_the_file_that_cut_the_tokens(tmp_path, tokenizer):
    path = write_tokenizer(tmp_path / "tokenizer.json")
    assert tokenizer.version == f"tiny@{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path):
    with pytest.raises(ModelError, match="no tokenizer at .*tokenizer.json: No such file"):
        load_tokenizer(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="describes no tokenizer; name the tokenizer.json of a model"):
        load_tokenizer(tmp_path / "tokenizer.json")
