import json
import struct

import numpy as np
import pytest

from headrace.errors import ModelError
from headrace.llm import minilm
from headrace.llm.embedding import Embedder, build_version, load_embedder
from headrace.settings import load_settings
from tests.llm.models import find_model

# What sentence-transformers 6.2 with torch 2.13 says of the same model: the first numbers of each, and the products of all.
TEXTS = ["a", "Why is the sky blue?", "Hébergé à Zürich, 東京", "for item in list: " * 120]
FIRST = [
    [-0.036433, 0.034703, -0.04596, 0.034325],
    [0.010077, -0.001739, 0.05018, 0.047025],
    [0.069428, 0.104852, 0.052575, -0.026639],
    [0.001535, 0.040108, -0.092431, -0.012017],
]
PRODUCTS = [
    [1.0, 0.13452, 0.17694, 0.07359],
    [0.13452, 1.0, 0.13873, 0.01457],
    [0.17694, 0.13873, 1.0, -0.0075],
    [0.07359, 0.01457, -0.0075, 1.0],
]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    find_model("all-minilm-l6-v2")
    return load_embedder(load_settings("dev", variables={}), limit=256)


def test_embeddings_are_those_of_the_published_model(embedder):
    vectors = embedder.embed(TEXTS)
    assert vectors.dtype == np.float32
    assert np.allclose(vectors[:, :4], FIRST, atol=2e-6)
    assert np.allclose(vectors @ vectors.T, PRODUCTS, atol=1e-5)


def test_a_text_has_the_same_embedding_to_the_last_bit_whatever_stands_beside_it(embedder):
    together, alone = embedder.embed(TEXTS[::-1]), [embedder.embed([text])[0] for text in TEXTS]
    assert all(np.array_equal(left, right) for left, right in zip(together[::-1], alone, strict=True))


def test_what_lies_behind_the_limit_does_not_count(embedder):
    long = "for item in list: " * 60
    assert np.array_equal(*embedder.embed([long, long + "and something else"]))


def test_no_text_has_no_embedding(embedder):
    assert embedder.embed([]).shape == (0, minilm.DIMENSION)


def test_a_version_names_weights_and_limit(embedder):
    assert embedder.version == build_version(256) == "all-minilm-l6-v2@53aa51172d14/256"


def write_safetensors(path, **arrays):
    header, data = {}, b""
    for name, array in arrays.items():
        header[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def test_arrays_are_read_as_they_were_written(tmp_path):
    first, second = np.arange(6, dtype="<f4").reshape(2, 3), np.array([1.5], "<f4")
    found = minilm.read_weights(write_safetensors(tmp_path / "w", first=first, second=second))
    assert np.array_equal(found["first"], first)
    assert np.array_equal(found["second"], second)


@pytest.mark.parametrize("content", [b"", b"\x00", struct.pack("<Q", 1 << 60), struct.pack("<Q", 2) + b"{]", struct.pack("<Q", 4) + b'"no"'])
def test_a_file_that_is_no_safetensors_is_refused(tmp_path, content):
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(ModelError, match="is no safetensors file that can be read here .*; fetch the model again"):
        minilm.read_weights(tmp_path / "w")


def test_another_model_is_refused(tmp_path):
    weights = minilm.read_weights(write_safetensors(tmp_path / "w", other=np.zeros(1, "<f4")))
    with pytest.raises(ModelError, match="hold no embeddings.position_embeddings.weight, so they are not those of all-MiniLM-L6-v2"):
        minilm.build_graph(weights)
