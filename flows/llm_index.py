"""LLM index: sections that came into the corpus become chunks with embeddings, and the index follows them.

Reads   silver.<use_case>_sections, silver.<use_case>_document_versions
Writes  gold.<use_case>_chunks, the index, metrics.index_versions, metrics.data_quality, metrics.pipeline_runs
Gate    a corpus that is not empty, contract of the table of chunks
Run     make index USE_CASE=docs_assistant ENV=dev
"""

from datetime import datetime
from typing import Any

from prefect import State, flow

from headrace import use_case as use_cases
from headrace.lake import runs
from tasks.clock import read_as_of
from tasks.environment import open_environment
from tasks.llm_index import append_chunks, decide_corpus, publish_index, restore_index
from tasks.naming import build_run_name
from tasks.parameters import Revision
from tasks.stage import StageResult, end_repeat, end_stage


@flow(flow_run_name=build_run_name)
def llm_index(use_case: str, as_of: datetime | None = None, revision: Revision = 1) -> StageResult | State[Any]:
    """Append the chunks of the sections that are new, and bring the index to the corpus of that instant.

    Args:
        use_case: Name of the use case.
        as_of: Instant (UTC) of the corpus; left out: the environment's clock.
        revision: 1, or higher than before to do a slice again.
    """
    settings = open_environment()
    case = use_cases.load_in(settings, use_case)
    as_of = read_as_of(settings, case, "llm_index", as_of)
    run = runs.begin(settings, case.name, "llm_index", as_of=as_of, revision=revision)
    if run.is_finished:
        # The chunks are in the table; an index that was lost is made from them.
        restore_index(settings, case)
        return end_repeat(run)

    # An index of nothing answers nothing and looks well, so the stage stops before it builds one.
    corpus = decide_corpus(settings, case, as_of=as_of)
    if not corpus.passed:
        return end_stage(settings, run, [], verdict=corpus)

    # The table is the truth, a row names the version, and the index is a projection of both.
    step = append_chunks(settings, case, as_of=as_of, revision=revision)
    if step.decision.passed:
        publish_index(settings, case, as_of=as_of, revision=revision)
    return end_stage(settings, run, [step])
