"""What a label asks: which kind of task its values make, whether they can be learned, and how they are said."""

from dataclasses import dataclass

import polars as pl

from headrace.errors import UseCaseError
from headrace.models.kinds import load_fitted_kind
from headrace.models.kinds.kind import FittedKind
from headrace.scaffold.personal import find_personal
from headrace.scaffold.reading import Table, show_name
from headrace.words import format_count

# Fewer labelled rows teach a model of trees nothing that a holdout of theirs could show.
LEAST_ROWS = 500

# More classes than this are names; whole numbers of so few values may be classes or amounts, and a person must say which.
_MOST_CLASSES, _FEW_NUMBERS = 30, 10

# A class of fewer rows is in no window that judges.
_LEAST_OF_A_CLASS = 10

# A value of the label is part of a line.
_LONGEST_VALUE = 30

# What a person may choose.
_CHOICES = ("binary", "multiclass", "regression", "forecast")

# Texts that say that they are a yes.
_YES = ("yes", "1", "true")

# Kinds whose label is a number.
_NUMBERS = ("regression", "forecast")

# Skewness of the exponential distribution is 2, that of a normal one 0.
_SKEWED = 1.0

_LABEL = "_label"


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is predicted.

    Attributes:
        column: The label's column.
        kind: The kind of task.
        positive: Of a binary label, the value that is predicted; else None.
        summary: How its values lie, as a sentence's end: `for 27.0% of the rows`.
        variance: Of a number, its variance (the label's unit, squared); else 1.
        objectives: Those of LightGBM to try beside the kind's own.
    """

    column: str
    kind: FittedKind
    positive: str | float | None
    summary: str
    variance: float
    objectives: tuple[str, ...] = ()

    @property
    def positive_text(self) -> str:
        """The value that is predicted, in words."""
        if isinstance(self.positive, bool):
            return str(self.positive).lower()
        return self.positive if isinstance(self.positive, str) else f"{self.positive:g}" if self.positive is not None else ""

    @property
    def is_rarer_chosen(self) -> bool:
        """Whether a yes was chosen among two values that do not say which is one."""
        return isinstance(self.positive, str) and self.positive.lower() not in _YES

    @property
    def is_number(self) -> bool:
        """Whether it is a number, not one of some classes."""
        return self.kind.name in _NUMBERS

    @property
    def meaning(self) -> str:
        """What the label says, in words."""
        return {"binary": f"{self.column} is {self.positive_text}", "multiclass": f"the class of {self.column}"}.get(
            self.kind.name, f"the value of {self.column}"
        )

    @property
    def title(self) -> str:
        """The question in words."""
        noun = self.column.replace("_", " ")
        if self.kind.name == "forecast":
            return f"What will {noun} be?"
        return f"Is {noun} {self.positive_text}?" if self.kind.name == "binary" else f"What is {noun}?"

    def build(self, rows: pl.DataFrame) -> pl.Series:
        """The label as its kind reads it, null where there is none; in the order of the rows."""
        return rows.select(self.expression.alias(_LABEL)).to_series()

    @property
    def expression(self) -> pl.Expr:
        """As `build`, of a frame's own column."""
        column = pl.col(self.column)
        if self.kind.name == "binary":
            return pl.when(column.is_not_null()).then((column == self.positive).cast(pl.Float64))
        return column.cast(pl.String) if self.kind.name == "multiclass" else column.cast(pl.Float64)


def choose_target(table: Table, *, label: str, kind: str) -> Target:
    """Decide what the label asks.

    Args:
        table: The table.
        label: Its column.
        kind: What a person said it is; empty: whatever its values make it.

    Raises:
        UseCaseError: Its values make no question that can be learned; the sentence says what would.
    """
    known = table.rows[label].drop_nulls()
    if known.dtype not in (pl.String, pl.Int64, pl.Float64, pl.Boolean):
        raise UseCaseError(
            f"LABEL={label} is {known.dtype}, expected two values, a few classes or numbers; add a column that asks one question about it"
        )
    if known.len() < LEAST_ROWS:
        known_count = f"{format_count(known.len(), 'row')} {'has' if known.len() == 1 else 'have'} a value of {label}"
        raise UseCaseError(f"{known_count}, at least {LEAST_ROWS} are needed to train on some and judge on others")
    if known.n_unique() == 1:
        raise UseCaseError(f"LABEL={label} has one value only; there is nothing to tell apart")
    chosen = _choose_kind(known, label=label, kind=kind)
    _check_values(known, label=label, kind=chosen)
    positive = choose_positive(known) if chosen == "binary" else None
    return Target(
        column=label,
        kind=load_fitted_kind(chosen),
        positive=positive,
        summary=_summarize(known, kind=chosen, positive=positive),
        variance=float(known.cast(pl.Float64).to_numpy().var()) if chosen in _NUMBERS else 1.0,
        objectives=_choose_objectives(known) if chosen == "regression" else (),
    )


def _choose_objectives(known: pl.Series) -> tuple[str, ...]:
    """Values that are never negative and pile up near their least, as prices do, may differ by factors."""
    values = known.cast(pl.Float64)
    return ("poisson", "tweedie") if float(values.to_numpy().min()) >= 0 and (values.skew() or 0.0) > _SKEWED else ()


def _choose_kind(known: pl.Series, *, label: str, kind: str) -> str:
    if kind and kind not in _CHOICES:
        raise UseCaseError(f"KIND={show_name(kind)} is no kind that can be made from a table; choose one of {', '.join(_CHOICES)}, or leave it out")
    count = known.n_unique()
    if kind == "binary" and count != 2:
        raise UseCaseError(f"LABEL={label} must have two values, such as yes and no, for KIND=binary; it has {count} different values")
    if kind in _NUMBERS and not known.dtype.is_numeric():
        raise UseCaseError(f"LABEL={label} is {known.dtype}, KIND={kind} needs numbers; write it as one, or choose KIND=multiclass")
    if kind:
        return kind
    if count == 2:
        return "binary"
    if known.dtype == pl.String:
        return "multiclass"
    if known.dtype == pl.Int64 and count <= _FEW_NUMBERS:
        raise UseCaseError(
            f"LABEL={label} has {count} whole numbers: say KIND=multiclass if they are names of classes, KIND=regression if more is more of something"
        )
    return "regression"


def _check_values(known: pl.Series, *, label: str, kind: str) -> None:
    if kind in _NUMBERS:
        if not known.cast(pl.Float64).is_finite().all():
            raise UseCaseError(f"LABEL={label} has values that are not finite; empty them")
        return
    counts = known.value_counts()
    if kind == "multiclass" and counts.height > _MOST_CLASSES:
        raise UseCaseError(
            f"LABEL={label} has {counts.height:,} different values, more than the {_MOST_CLASSES} classes that a table of this size can tell apart; "
            "add a column that groups them, or that asks a question with two answers"
        )
    rare = counts.filter(pl.col("count") < _LEAST_OF_A_CLASS).height
    if kind == "multiclass" and rare:
        raise UseCaseError(
            f"{rare} of the {counts.height} values of LABEL={label} occur less than {_LEAST_OF_A_CLASS} times, too few to learn or judge; "
            "group them into one, or empty them"
        )
    if known.dtype == pl.String and (known.str.len_chars() > _LONGEST_VALUE).any():
        raise UseCaseError(f"LABEL={label} has a value of more than {_LONGEST_VALUE} letters, expected short ones; write yes and no instead")


def choose_positive(labels: pl.Series) -> str | float:
    """The value that a binary label is about: true, 1 or yes; else the rarer one."""
    if labels.dtype.is_numeric() and labels.eq(1).any():
        return labels.dtype.to_python()(1)
    counts = dict(labels.drop_nulls().value_counts().iter_rows())
    for wanted in (True, *_YES):
        found = [value for value in counts if type(value) is type(wanted) and (value.lower() if isinstance(value, str) else value) == wanted]
        if found:
            return found[0]
    return min(counts, key=lambda value: (counts[value], str(value)))


def _summarize(known: pl.Series, *, kind: str, positive: str | float | None) -> str:
    """How the values lie; a class is named only where its name can be no person's."""
    if kind == "binary":
        return f"It is for {(known == positive).sum() / known.len():.1%} of the rows."
    if kind in _NUMBERS:
        low, middle, high = (known.cast(pl.Float64).quantile(share) for share in (0.1, 0.5, 0.9))
        return f"Eight rows of ten lie between {low:,.6g} and {high:,.6g}, half of them below {middle:,.6g}."
    largest = known.value_counts().sort("count", known.name, descending=[True, False]).row(0)
    name = "the largest" if find_personal(known.to_frame()) else f"the largest, {show_name(str(largest[0]))},"
    return f"One of {known.n_unique()} classes; {name} has {largest[1] / known.len():.1%} of the rows."
