import polars as pl

from headrace.models.kinds import load_kind
from headrace.models.slices import score_slices


def test_slices_are_scored_one_by_one_and_together():
    rows = pl.DataFrame({"label": [0.0, 1.0, 1.0], "probability_fraction": [0.1, 0.9, 0.2], "carrier": ["AA", "AA", "UA"]})
    scored = score_slices(rows, kind=load_kind("binary"), label="label", slices=["carrier"])
    aucs = scored.filter(pl.col("metric") == "roc_auc").select("slice_column", "slice_value", "value", "row_count").rows()
    assert aucs == [("all", "all", 1.0, 3), ("carrier", "AA", 1.0, 2), ("carrier", "UA", None, 1)]
