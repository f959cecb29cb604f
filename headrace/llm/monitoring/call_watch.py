"""What is watched of the calls of language models that answers took, beside those of the windows before."""

from datetime import UTC, datetime

import polars as pl

from headrace.errors import HeadraceError
from headrace.lake import tables
from headrace.llm import model_calls
from headrace.llm.chain_candidate import CHAIN, read_pins
from headrace.llm.monitoring.calls import gather_answers, measure_calls, measure_rise
from headrace.llm.monitoring.prompt_changes import ChainReign, explain_change
from headrace.llm.prompt_templates import PromptTemplate
from headrace.llm.prompts import load_prompt
from headrace.monitoring.figures import Figure
from headrace.monitoring.windows import Window
from headrace.registry import history, versions
from headrace.settings import Settings
from headrace.use_case import UseCase

# A week of daily windows: long enough for quiet days, short enough that a change a month ago is no news.
WINDOWS_BEFORE = 7


class CallWatch:
    """Calls of some windows, and of those before them."""

    def __init__(self, settings: Settings, case: UseCase, *, calls: pl.DataFrame, after: datetime | None) -> None:
        """Watch these.

        Args:
            settings: The environment.
            case: The assistant.
            calls: Rows of `metrics.llm_calls` with `at` (UTC).
            after: Instant (UTC) before which calls are only compared with; None: there is none.
        """
        self._settings, self._case, self._calls, self._after = settings, case, calls, after
        self._reigns = _read_reigns(settings, case) if calls.height else []
        champions = [(reign.since, reign.prompt_hash, reign.model) for reign in self._reigns]
        schema = {"since": pl.Datetime("us", "UTC"), "champion_prompt_hash": pl.String, "champion_model": pl.String}
        self._answers = gather_answers(calls, pl.DataFrame(champions, schema=schema, orient="row"))

    def find_first(self) -> datetime | None:
        """Instant (UTC) of the first call that is not only compared with."""
        first = self._calls.filter(pl.lit(True) if self._after is None else pl.col("at") >= self._after)["at"].min()
        return first.astimezone(UTC) if isinstance(first, datetime) else None

    def measure(self, window: Window) -> list[Figure]:
        """Tokens, cost and seconds, and how many more tokens an answer takes than in the `WINDOWS_BEFORE` windows before."""
        is_inside = pl.col("at").is_between(*window, closed="left")
        begin = window[0] - WINDOWS_BEFORE * (window[1] - window[0])
        answers, earlier = self._answers.filter(is_inside), self._answers.filter(pl.col("at").is_between(begin, window[0], closed="left"))
        return [*measure_calls(self._calls.filter(is_inside), answers), measure_rise(answers, earlier, explain=self._explain)]

    def _explain(self, risen: pl.DataFrame, earlier: pl.DataFrame) -> str:
        prompts = pl.concat([risen, earlier]).select("prompt", "prompt_version", "prompt_hash").unique().drop_nulls()
        templates = {row["prompt_hash"]: found for row in prompts.iter_rows(named=True) if (found := self._read_template(**row)) is not None}
        return explain_change(risen, earlier, reigns=self._reigns, templates=templates)

    def _read_template(self, *, prompt: str, prompt_version: int, prompt_hash: str) -> PromptTemplate | None:
        """A registered prompt; None where the registry does not have it as it was."""
        try:
            found = load_prompt(self._settings, self._case.name, prompt.rpartition(".")[2], version=prompt_version)
        except HeadraceError:
            return None
        return found.template if found.hash == prompt_hash else None


def _read_reigns(settings: Settings, case: UseCase) -> list[ChainReign]:
    """Champions with the prompts and models that they pin; one whose folder cannot be read pins none that is known."""
    found = []
    for reign in history.read_reigns(settings, case):
        try:
            pins = read_pins(versions.candidate_folder(settings, versions.read(settings, case, number=reign.version)) / CHAIN)
            prompt_hash = pins.prompt["hash"] if pins.prompt else None
            model = pins.model["model"] if pins.model else None
        except HeadraceError:
            prompt_hash = model = None
        found.append(ChainReign(version=reign.version, since=reign.since, prompt_hash=prompt_hash, model=model))
    return found


def open_watch(settings: Settings, case: UseCase, *, after: datetime | None, as_of: datetime) -> CallWatch:
    """The watch over calls that stand for instants after one (UTC; None: the first) and until `as_of`."""
    at = pl.coalesce("asked_at", "called_at")
    calls = tables.read(settings, model_calls.TABLE).filter(pl.col("use_case") == case.name).with_columns(at.alias("at"))
    is_due = pl.col("at") <= as_of
    if after is not None:
        is_due &= pl.col("at") >= after - WINDOWS_BEFORE * case.policy.window
    return CallWatch(settings, case, calls=calls.filter(is_due).collect(), after=after)
