"""Retrieval among fewer sections, beside a plain peer: `make bench-retrieval`.

Among 1,907 sections of Python's documentation all-MiniLM-L6-v2 was reported with an nDCG@10 of 0.756, fusion by ranks with 0.619 and
fusion by weighted scores with 0.776 (weight and figure from the same questions). Which sections these were is not known, so some are
drawn here: all that answer a question, the others by chance, several times. The peer embeds the same texts by the same model, and
searches by LanceDB's full text index as it comes. Both are tuned on one half of the questions and judged on the other; then the halves
change places, so that every question is judged once by weights that were found without it. (What an index does to its vectors was chosen
by figures of the tuning half, so there only the half called holdout is new to it.)
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.verb import run
from headrace import use_case as use_cases
from headrace.llm import vector_index
from headrace.llm.embedding import Embedder, load_embedder
from headrace.llm.evaluation import evaluate_retrieval
from headrace.llm.evaluation_sets import EvaluationSet, read_evaluation_set
from headrace.llm.index_versions import find_version, place_chunks, read_members
from headrace.llm.intervals import estimate_mean
from headrace.llm.ranking_metrics import measure_rankings
from headrace.llm.retrieval import rank_candidates
from headrace.llm.retrieval_config import DEPTH
from headrace.llm.retrieval_tuning import Half, collect_candidates, select_half, tune_fusion
from headrace.llm.vector_index import VectorIndex
from headrace.settings import Settings
from headrace.use_case import UseCase

SECTIONS = 1_907
# Three draws differed by a hundredth of recall from three others.
DRAWS = 12
FIGURES = ("recall_at_50_fraction", "ndcg_at_10")
FIGURE_COLUMNS = {"leg": pl.String, "split": pl.String, "metric": pl.String, "value": pl.Float64, "lower": pl.Float64, "upper": pl.Float64}

# Half that is judged, and the half whose questions found the weights.
CROSSED: tuple[tuple[Half, Half], ...] = (("holdout", "tune"), ("tune", "holdout"))


@dataclass(frozen=True, kw_only=True)
class Remembering:
    """An embedder that embeds a question once."""

    embedder: Embedder
    known: dict[str, np.ndarray] = field(default_factory=dict)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """As the embedder does."""
        for text in texts:
            if text not in self.known:
                self.known[text] = self.embedder.embed([text])[0]
        return np.stack([self.known[text] for text in texts])


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, draw, measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval", description="Retrieval among fewer sections, beside a plain peer.")
    parser.add_argument("--use-case", required=True, help="a use case that answers from documents")
    options = parser.parse_args(arguments)
    return run(lambda settings: print_table(measure(settings, use_cases.load_in(settings, options.use_case))))


def measure(settings: Settings, case: UseCase) -> pl.DataFrame:
    """`subject`, `leg`, `split`, `metric`, `value`, `lower`, `upper`. Grain: one row per draw, subject, leg, split and metric."""
    version = find_version(settings, case)
    rows = read_members(settings, case, as_of=version.as_of, gold_version=version.gold_version, embedder=version.embedder)
    # The documents are of an instant, and so are questions; a day later all that were asked by then are known.
    questions = read_evaluation_set(settings, case.silver_table("questions"), as_of=version.as_of + timedelta(days=1))
    embedder = Remembering(embedder=load_embedder(settings))
    found = []
    for draw in range(DRAWS):
        drawn = draw_sections(rows, questions.truth["section_id"].to_list(), seed=settings.seed + draw)
        with tempfile.TemporaryDirectory() as folder:
            for subject, index in (("this", build_index(Path(folder) / "this", drawn)), ("plain", build_plain(Path(folder) / "plain", drawn))):
                found.append(evaluate(settings, case, index, embedder, questions).with_columns(subject=pl.lit(subject), draw=pl.lit(draw)))
    return pl.concat(found)


def draw_sections(rows: pl.DataFrame, answers: Sequence[str], *, seed: int) -> pl.DataFrame:
    """The chunks of all sections that answer a question, and of so many others by chance."""
    sections = rows["section_id"].unique().sort()
    others = sections.filter(~sections.is_in(answers))
    count = SECTIONS - (sections.len() - others.len())
    chosen = others.sample(min(count, others.len()), seed=seed)
    return rows.filter(pl.col("section_id").is_in([*answers, *chosen.to_list()]))


def build_index(folder: Path, rows: pl.DataFrame) -> VectorIndex:
    """An index as the product makes it of these chunks."""
    vector_index.publish(folder, place_chunks(rows), version="drawn")
    return vector_index.open_version(folder, "drawn")


def build_plain(folder: Path, rows: pl.DataFrame) -> VectorIndex:
    """An index of the embeddings as they are, with a full text index as LanceDB makes it where nothing is said."""
    import lancedb
    from lancedb.index import FTS

    as_they_are = rows.with_columns(pl.concat_list("embedding", pl.lit(0.0, dtype=pl.Float32)))
    vector_index.publish(folder, as_they_are, version="drawn")
    table = lancedb.connect(str(folder)).open_table(vector_index.TABLE)
    table.create_index("searched", config=FTS(), replace=True)
    return VectorIndex(version="plain", _table=table)


def evaluate(settings: Settings, case: UseCase, index: VectorIndex, embedder: Remembering, questions: EvaluationSet) -> pl.DataFrame:
    """The figures of every leg, and of what tuning chose (`leg` is `tuned`) on all questions."""
    candidates = collect_candidates(index, embedder, questions.rows, depth=DEPTH)
    share = case.chain_spec.min_answered_fraction
    found = evaluate_retrieval(candidates.rows, questions.truth, unanswerable=[], depth=DEPTH, min_answered_fraction=share, seed=settings.seed)
    return pl.concat([found.summary.select(list(FIGURE_COLUMNS)), measure_crossed(candidates.rows, questions.truth, seed=settings.seed)])


def measure_crossed(candidates: pl.DataFrame, truth: pl.DataFrame, *, seed: int) -> pl.DataFrame:
    """Every question ranked by what tuning chose on the half that it is not in: `leg`, `split`, `metric`, `value`, `lower`, `upper`."""
    parts = []
    for judged, tuned_on in CROSSED:
        config = tune_fusion(select_half(candidates, tuned_on), select_half(truth, tuned_on), depth=DEPTH)
        parts.append(measure_rankings(rank_candidates(select_half(candidates, judged), config), select_half(truth, judged)))
    figures, rows = pl.concat(parts), []
    for split, questions in (("holdout", parts[0]), ("crossed", figures)):
        for metric in FIGURES:
            interval = estimate_mean(questions.filter(pl.col("metric") == metric)["value"].to_numpy(), seed=seed)
            rows.append(("tuned", split, f"{split}/{metric}", interval.value, interval.lower, interval.upper))
    return pl.DataFrame(rows, schema=FIGURE_COLUMNS, orient="row")


def print_table(figures: pl.DataFrame) -> None:
    """Means over the draws, of both halves and all questions; in parentheses the mean ends of the 95 % intervals over questions."""
    names = [f"{split}/{metric}" for split in ("holdout", "tune", "crossed") for metric in FIGURES]
    gains = [f"holdout/ndcg_at_10_gain_over_{leg}" for leg in ("dense", "bm25")]
    means = figures.group_by("subject", "leg", "metric").agg(pl.col("value", "lower", "upper").mean(), pl.len().alias("draws"))
    print(f"{SECTIONS} sections, {DRAWS} draws; means over draws and mean 95 % intervals over questions")
    for subject, leg, metric, value, lower, upper, draws in (
        means.filter(pl.col("metric").is_in([*names, *gains])).sort("metric", "subject", "leg").iter_rows()
    ):
        print(f"{metric:38} {subject:6} {leg:13} {value:.3f} ({lower:.3f} to {upper:.3f}) draws={draws}")


if __name__ == "__main__":
    sys.exit(main())
