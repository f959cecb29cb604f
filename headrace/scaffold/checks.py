"""What a person must check about a use case that is made from a table: one sentence each, shown on the screen."""

from collections.abc import Sequence

import polars as pl

from headrace.scaffold.contracts import UNKNOWN_UNIT, guess_unit
from headrace.scaffold.placing import PLACED_AT
from headrace.scaffold.reading import Table
from headrace.scaffold.roles import Feature, Roles
from headrace.scaffold.together import SUSPICIOUS_AUC, measure_together
from headrace.words import format_count

OWNER = "Owner to fill in: to-review@example.org stands in every contract and in __init__.py."

RETENTION = "Retention to fill in: retention_days is 1825 (five years) in every contract; it says how long rows may be kept, nothing deletes them."

# A column that tells so much alone (ROC AUC, concordance) is worth a question; one of chance or less tells nothing.
_STRONG, _CHANCE = 0.7, 0.5

# Names in a sentence.
_MOST_NAMED = 8


def list_suspicions(rows: pl.DataFrame, roles: Roles) -> list[str]:
    """What a person must know when the features together know too much."""
    auc, told = measure_together(rows, roles.target, roles.features, time=roles.time)
    if auc is None:
        return [f"Whether the features together tell {roles.label} could not be measured: the newer rows have too few different values of it."]
    if auc <= SUSPICIOUS_AUC:
        return []
    names = " and ".join(told)
    return [
        f"Together the features tell {roles.label} ({roles.target.kind.words.ranking} {auc:.3f} on newer rows), {names} most: a model of them "
        "is refused as too good. Leave out what was filled in afterwards."
    ]


def list_checks(table: Table, roles: Roles, *, repeated: int) -> list[str]:
    """What was assumed, and what stands in for an answer.

    Args:
        table: The rows, with the notes of whoever read them.
        roles: What their columns are.
        repeated: Rows whose key another row has.
    """
    checks = [*table.notes]
    if PLACED_AT not in table.made:
        checks.append(
            f"A row is taken to be known at {roles.time}, and its {roles.label} with it: if the answer takes time, set KNOWN_AFTER in label.py."
        )
    checks += _judge_strongest(roles.features, label=roles.label)
    if roles.target.is_rarer_chosen:
        checks.append(f"Yes is {roles.target.positive_text}, the rarer of the two values; if the other is meant, turn label.py round.")
    if repeated:
        checks.append(
            f"{roles.key} repeats: {format_count(repeated, 'row')} of {table.rows.height:,} {'has' if repeated == 1 else 'have'} the {roles.key} of "
            f"another row. The newest by {roles.time} counts (at one time, the last in the file), the others go to quarantine. If each is a row "
            "of its own, name another KEY, or say KEY=none."
        )
    if roles.personal:
        checks.append(f"Looks personal, so it is no feature, and marked in the contracts: {', '.join(roles.personal)}.")
    numbers = [feature.column for feature in roles.features if feature.kind == "number"]
    measured = [*([roles.label] if roles.target.is_number else []), *numbers]
    return [*checks, *list_placeholders(table.rows.select(measured), subject=roles.subject)]


def list_placeholders(numbers: pl.DataFrame, *, subject: str | None) -> list[str]:
    """What stands in the files until a person says it: units, retention, whose rows they are, owner.

    Args:
        numbers: Columns that have a unit.
        subject: Column that is taken to identify a person; None: none is.
    """
    unknown = [name for name in numbers.columns if guess_unit(numbers[name]) == UNKNOWN_UNIT]
    named = f"{', '.join(unknown[:_MOST_NAMED])}{' ...' if len(unknown) > _MOST_NAMED else ''}"
    units = [f"Units to fill in, in data_contracts/*/silver*.yaml and gold*.yaml: {named}."] if unknown else []
    whose = f"{subject} is taken to identify a person" if subject else "it is null, so no row is taken to be about a person"
    return [*units, RETENTION, f"subject_key to check, in every contract: {whose}. It is the column by which rows of a person are found.", OWNER]


def _judge_strongest(features: Sequence[Feature], *, label: str) -> list[str]:
    strongest = features[0]
    if strongest.auc >= _STRONG:
        return [f"{strongest.name} tells most alone ({strongest.auc:.2f}): was it known by then? If not, take it out of features.py."]
    if strongest.auc > _CHANCE:
        return []
    return [f"No column alone tells {label} on newer rows ({strongest.auc:.2f} at best, 0.5 is chance): it may be that none can."]
