"""What the documents say about a second table, done word for word to a use case that was made from one."""

import re
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from benchmarks.use_cases.clone import Clone
from headrace.lake import tables
from headrace.settings import ROOT

START = datetime(2024, 1, 1, tzinfo=UTC)
ORDERS, CUSTOMERS = 1_500, 300
ASKED = {"name": "returns", "label": "is_returned", "time": "ordered_at", "key": "order_id"}


def contacts() -> pl.DataFrame:
    """One row per contact, spread over the year."""
    generator = np.random.default_rng(5)
    hours = np.sort(generator.choice(24 * 360, 4_000, replace=False))
    return pl.DataFrame(
        {
            "customer_id": [f"c{number}" for number in generator.integers(0, CUSTOMERS, hours.size)],
            "topic": generator.choice(["late", "broken"], hours.size),
            "known_at": [START + timedelta(hours=int(hour), minutes=30) for hour in hours],
        }
    )


def count_before(calls: pl.DataFrame, customer: str, at: datetime) -> int:
    """By looking at every contact: those of the four weeks until the last full hour."""
    until = at.replace(minute=0, second=0, microsecond=0)
    known = pl.col("known_at").is_between(until - timedelta(days=28), until, closed="right")
    return calls.filter(known, pl.col("customer_id") == customer).height


def orders(calls: pl.DataFrame) -> pl.DataFrame:
    """Orders come back the more often, the more the customer has called before."""
    generator = np.random.default_rng(6)
    customer = [f"c{number}" for number in generator.integers(0, CUSTOMERS, ORDERS)]
    ordered_at = [START + timedelta(minutes=341 * number) for number in range(ORDERS)]
    counts = np.array([count_before(calls, *pair) for pair in zip(customer, ordered_at, strict=True)])
    return pl.DataFrame(
        {
            "order_id": [f"o{number:05}" for number in range(ORDERS)],
            "customer_id": customer,
            "ordered_at": ordered_at,
            "category": generator.choice(["books", "shoes", "tools"], ORDERS),
            "price_eur": np.round(generator.gamma(2, 30, ORDERS), 2),
            "is_returned": generator.random(ORDERS) < 1 / (1 + np.exp(2 - 1.5 * counts)),
        }
    )


def read_blocks() -> list[tuple[str, str, str]]:
    """Language, file and text of each block of the section; its first line names the file."""
    section = (ROOT / "docs" / "add-a-use-case.md").read_text(encoding="utf-8").partition("## A second table\n")[2]
    return re.findall(r"```(yaml|diff)\n# (\S+)\n(.*?)```", section, flags=re.DOTALL)


def change(text: str, block: str) -> str:
    """A file with a block's `-` lines replaced by its `+` lines; what stays and what goes must be there once."""
    lines = block.splitlines()
    old = "\n".join(line[1:] for line in lines if line[0] in " -") + "\n"
    new = "\n".join(line[1:] for line in lines if line[0] in " +") + "\n"
    assert text.count(old) == 1, old
    return text.replace(old, new)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    made, calls = Clone(tmp_path_factory.mktemp("second"), threads=1), contacts()
    orders(calls).write_csv(made.folder / "orders.csv", datetime_format="%Y-%m-%dT%H:%M:%SZ")
    made.make_use_case(made.folder / "orders.csv", ASKED)
    folder = made.folder / "landing" / "returns" / "contacts"
    folder.mkdir()
    calls.write_csv(folder / "contacts.csv", datetime_format="%Y-%m-%dT%H:%M:%SZ")
    for language, name, block in read_blocks():
        path = made.folder / name
        path.write_text(block if language == "yaml" else change(path.read_text(encoding="utf-8"), block), encoding="utf-8")
    return made


def test_what_is_written_keeps_the_conventions(clone):
    arguments = ("-q", "-p", "no:cacheprovider", "tests/use_cases/test_returns.py", "tests/conventions/test_contracts_complete.py")
    assert "passed" in clone.type("pytest", *arguments)
    for command in (["check", "--quiet"], ["format", "--check", "--quiet"]):
        clone.type("ruff", *command, "use_cases/returns", "tests/use_cases/test_returns.py")


def test_every_order_knows_the_contacts_of_its_customer_that_were_known_and_no_others(clone):
    for stage in ("ingest", "refine", "featurize"):
        clone.type("flows", stage, "--use-case", "returns", "--as-of", "2024-12-21")
    features = tables.read(clone.settings, "gold.returns_features").collect()
    asked = tables.read(clone.settings, "silver.returns_orders").collect().select("order_id", "customer_id", "ordered_at")
    found = features.join(asked, on="order_id").sort("order_id")
    calls = contacts()
    expected = [float(count_before(calls, customer, at)) for customer, at in found.select("customer_id", "ordered_at").iter_rows()]
    assert found.height == ORDERS
    assert found["contact_count_28d"].to_list() == expected


def test_the_catalog_knows_both_tables(clone):
    clone.type("headrace.console", "catalog", "--use-case", "returns")
    page = (clone.home / "dev" / "catalog_returns.html").read_text(encoding="utf-8")
    assert 'id="silver.returns_contacts"' in page
    assert "How often the customer has called" in page
