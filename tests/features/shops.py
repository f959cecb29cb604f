"""A feature set of one view, small enough to compute by hand: how often are a shop's sales returned?"""

from datetime import UTC, datetime, timedelta

import polars as pl

from headrace.features.views import FeatureSet, FeatureView
from headrace.features.windows import rolling_means

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)
INSTANT = pl.Datetime("us", "UTC")


def minutes(number):
    """An instant so many minutes after noon."""
    return NOON + timedelta(minutes=number)


def build_spine(inputs):
    return inputs["sales"].with_columns(pl.col("sold_at").alias("prediction_at"))


def add_hour(rows):
    return rows.with_columns(pl.col("sold_at").dt.hour().alias("hour"))


def return_rates(spine, inputs):
    means = {"shop_return_rate_1h_fraction": pl.col("is_returned")}
    return rolling_means(spine, inputs["returns"], by=("shop",), means=means, count="shop_sales_1h_count", window=timedelta(hours=1))


RETURNS = FeatureView(
    name="returns",
    entity=("shop",),
    inputs=("returns",),
    lookback=timedelta(hours=1),
    features=("shop_return_rate_1h_fraction", "shop_sales_1h_count"),
    compute=return_rates,
)

SHOPS = FeatureSet(
    version=3,
    key=("sale_id",),
    refresh=timedelta(minutes=30),
    spine_inputs=("sales",),
    build_spine=build_spine,
    carried=("sold_at",),
    request_columns={"shop": pl.String(), "amount_eur": pl.Float64(), "sold_at": INSTANT},
    on_demand=add_hour,
    on_demand_features=("shop", "amount_eur", "hour"),
    categorical=("shop",),
    views=(RETURNS,),
    forbidden=("is_returned",),
)

SALES_SCHEMA = {"sale_id": pl.String(), "shop": pl.String(), "amount_eur": pl.Float64(), "sold_at": INSTANT, "known_at": INSTANT}
RETURNS_SCHEMA = {"shop": pl.String(), "is_returned": pl.Boolean(), "known_at": INSTANT}


def shop_inputs(sales, returns):
    """Silver rows: sales (id, shop, amount, sold_at), known when sold; returns (shop, is_returned, known_at)."""
    return {
        "sales": pl.DataFrame([(*sale, sale[-1]) for sale in sales], schema=SALES_SCHEMA, orient="row"),
        "returns": pl.DataFrame(returns, schema=RETURNS_SCHEMA, orient="row"),
    }
