"""Columns that look like personal data, by their names or their values."""

import re

import polars as pl

_NAMES = re.compile(
    r"(^|_)(e_?mail|phone|mobile|fax|first_?name|last_?name|surname|full_?name|street|address|zip|postcode|ssn|passport|iban|birth|ip)(_|$)|^name$"
)
_EMAIL = r"^[^@\s]+@[^@\s]+\.[a-zA-Z]{2,}$"
_PEOPLE = re.compile(r"(^|_)(customer|client|user|person|patient|member|employee|subject|account)(_|$)")


def find_personal(rows: pl.DataFrame) -> list[str]:
    """Columns that look like personal data, by their name or by values that are e-mail addresses."""
    texts = [name for name, kind in rows.schema.items() if kind == pl.String]
    by_value = {
        name
        for name in texts
        if rows[name].drop_nulls().len() and rows[name].drop_nulls().str.contains(_EMAIL).sum() > rows[name].drop_nulls().len() / 2
    }
    return [name for name in rows.columns if _NAMES.search(name) or name in by_value]


def is_person(name: str) -> bool:
    """Whether a column of this name identifies people."""
    return bool(_PEOPLE.search(name))
