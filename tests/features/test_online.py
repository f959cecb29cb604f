import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from headrace.errors import ServingError
from headrace.features.materialize import build_features, build_spine
from headrace.features.online import OnlineStore, build_request_features, publish
from tests.features.shops import NOON, SHOPS, minutes, shop_inputs

SALES = [("a", "north", 9.5, minutes(44)), ("b", "south", 1.0, minutes(35)), ("c", None, 2.0, minutes(31)), ("d", "é" * 900, 2.0, minutes(31))]
KNOWN_RETURNS = [("north", True, minutes(30)), ("north", False, minutes(10)), ("north", True, minutes(31)), ("south", True, minutes(1))]
INPUTS = shop_inputs(SALES, KNOWN_RETURNS)


def ask(root, *, feature_set=SHOPS, inputs=INPUTS):
    return build_request_features(feature_set, OnlineStore(root), inputs["sales"].select(list(SHOPS.request_columns)))


def test_an_answer_equals_the_batch_for_known_unknown_and_missing_shops(tmp_path):
    publish(tmp_path, SHOPS, INPUTS, minutes(44))
    batch = build_features(SHOPS, INPUTS, build_spine(SHOPS, INPUTS, after=None, until=minutes(44)))
    assert_frame_equal(ask(tmp_path), batch.drop("sale_id", "prediction_at"), check_exact=True)


def test_a_shop_that_nothing_recent_is_known_of_vanishes(tmp_path):
    assert publish(tmp_path, SHOPS, INPUTS, minutes(30)).entity_count == 2
    assert publish(tmp_path, SHOPS, INPUTS, minutes(120)).entity_count == 0
    assert ask(tmp_path)["shop_sales_1h_count"].to_list() == [0.0] * 4


def test_an_older_instant_never_replaces_a_newer_one(tmp_path):
    publish(tmp_path, SHOPS, INPUTS, minutes(30))
    newest = ask(tmp_path)
    assert publish(tmp_path, SHOPS, INPUTS, NOON).refreshed_at == minutes(30)
    assert_frame_equal(ask(tmp_path), newest)


def test_publishing_the_same_instant_again_takes_corrected_rows(tmp_path):
    publish(tmp_path, SHOPS, INPUTS, minutes(30))
    corrected = {**INPUTS, "returns": INPUTS["returns"].with_columns(is_returned=pl.lit(False))}
    publish(tmp_path, SHOPS, corrected, minutes(30))
    assert ask(tmp_path)["shop_return_rate_1h_fraction"].to_list() == [0.0, 0.0, None, None]


def test_features_of_another_version_are_replaced_even_by_an_older_instant(tmp_path):
    publish(tmp_path, SHOPS, INPUTS, minutes(30))
    state = publish(tmp_path, replace(SHOPS, version=4), INPUTS, NOON)
    assert (state.features_version, state.refreshed_at) == (4, NOON)


def test_features_of_another_version_are_refused(tmp_path):
    publish(tmp_path, replace(SHOPS, version=4), INPUTS, minutes(30))
    with pytest.raises(ServingError, match=r"holds features of version 4, features of version 3 are needed; run the flow featurize"):
        ask(tmp_path)


def test_an_empty_store_says_which_flow_fills_it(tmp_path):
    assert OnlineStore(tmp_path / "online").read_state() is None
    with pytest.raises(ServingError, match=r"is empty; run the flow featurize"):
        ask(tmp_path / "online")


def test_a_damaged_store_is_an_error_with_a_way_out(tmp_path):
    (tmp_path / "data.mdb").write_bytes(b"no store" * 2_000)
    with pytest.raises(ServingError, match=r"cannot be used: .*delete the folder and run the flow featurize"):
        ask(tmp_path)


def test_a_reader_in_another_process_sees_each_new_instant(tmp_path):
    program = (
        "import sys; from pathlib import Path; from headrace.features.online import OnlineStore\n"
        "store = OnlineStore(Path(sys.argv[1]))\n"
        "for _ in sys.stdin: print(store.read_state().refreshed_at.minute, flush=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as reader:
        answers = []
        for instant in (NOON, minutes(30)):
            publish(tmp_path, SHOPS, INPUTS, instant)
            reader.stdin.write("\n")
            reader.stdin.flush()
            answers.append(reader.stdout.readline())
        reader.stdin.close()
    assert answers == ["0\n", "30\n"]


def test_readers_beside_a_publisher_see_one_instant_never_two(tmp_path):
    """Each instant's count is told by its own events, so a mixture would show."""
    returns = [(shop, True, minutes(30 * step)) for step in range(6) for shop in ("north", "south") for _ in range(step + 1)]
    inputs = shop_inputs([("a", "north", 1.0, NOON), ("b", "south", 1.0, NOON)], returns)
    publish(tmp_path, SHOPS, inputs, NOON)
    seen = []

    def read():
        while not done.is_set():
            seen.append(ask(tmp_path, inputs=inputs).select("refreshed_at", "shop_sales_1h_count").rows())

    done = threading.Event()
    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for step in range(1, 6):
        publish(tmp_path, SHOPS, inputs, minutes(30 * step))
    done.set()
    for reader in readers:
        reader.join()
    expected = {minutes(30 * step): step + 1 + step for step in range(6)}
    assert seen
    assert all(count == expected[at] for answer in seen for at, count in answer)
