"""SQL that a person types over tables of the lake, by Polars. It can read those tables and nothing else.

Polars knows no statement that writes a file, but its SQL has functions that read any: `SELECT * FROM read_csv('/etc/passwd')`.
Two locks stand before them. A word that begins with `read_` is refused, in quotes and comments too. Then the query is planned over
empty frames that have the tables' columns: what such a plan scans is no table of the lake, whatever the function is called.
"""

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

import polars as pl
from polars.exceptions import PolarsError

from headrace.errors import AccessError, LakeError

# Rows of an answer that are shown.
ANSWER_ROWS = 200

_READER = re.compile(r"\bread_\w*", re.IGNORECASE)
_QUESTION = re.compile(r"\s*(--[^\n]*\n\s*)*(select|with|show\s+tables)\b", re.IGNORECASE)

# Polars reports a statement that it does not know by its whole syntax tree.
_LONGEST_REASON = 200

Answer = TypeVar("Answer")


def answer_query(query: str, read: Callable[[str], pl.LazyFrame], tables: Mapping[str, pl.Schema]) -> pl.DataFrame:
    """The first `ANSWER_ROWS` rows of a query's answer.

    Args:
        query: One SELECT, WITH or SHOW TABLES. Tables have the names of the lake: `gold.flight_delay_features`.
        read: Gives the rows of a table by its name; asked for those that the query names.
        tables: Columns of every table that may be asked.

    Raises:
        AccessError: The query would read something that is no table of the lake.
        LakeError: It is no question, or Polars cannot answer it.
    """
    _check_question(query, tables)
    # Opening a table costs requests where the lake is on S3, so only those are opened whose names stand in the query.
    named = {name: schema for name, schema in tables.items() if name.partition(".")[2] in query.lower()} or tables
    _check_plan(query, named)
    with pl.SQLContext({name: read(name) for name in named}, eager=False) as context:
        return _run(context, query, lambda answer: answer.head(ANSWER_ROWS).collect())


def _check_question(query: str, tables: Mapping[str, pl.Schema]) -> None:
    if not _QUESTION.match(query):
        raise LakeError(f"a query begins with SELECT, WITH or SHOW TABLES, this one with {query.strip()[:20]!r}; nothing else is answered here")
    known = {name for schema in tables.values() for name in schema}
    if readers := [word for word in _READER.findall(query) if word not in known]:
        raise AccessError(
            f"{readers[0]} would read a file, and a query reads tables of the lake only; SHOW TABLES names them. "
            "Land the file for a use case, or read it in a cell of your own"
        )


def _check_plan(query: str, tables: Mapping[str, pl.Schema]) -> None:
    """Plan a query over empty frames: those are data frames, and nothing is scanned."""
    with pl.SQLContext({name: pl.DataFrame(schema=schema) for name, schema in tables.items()}, eager=False) as context:
        plan = _run(context, query, lambda answer: answer.explain(optimized=False))
    if "SCAN" in plan:
        raise AccessError("the query would read something that is no table of the lake; ask tables only: SHOW TABLES names them")


def _run(context: pl.SQLContext, query: str, use: Callable[[pl.LazyFrame], Answer]) -> Answer:
    try:
        return use(context.execute(query))
    except PolarsError as error:
        reason = str(error).partition("\n")[0][:_LONGEST_REASON]
        raise LakeError(f"the query cannot be answered: {reason}. SHOW TABLES names the tables, their profile the columns") from error
