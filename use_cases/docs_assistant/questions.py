"""The reference questions: those of the documentation's own FAQ, and some that the documentation does not answer.

The FAQ has its questions as headings, and what stands below a heading answers it. So the section is the truth, and the heading is
taken out of the corpus: a search that finds the words of the question where the question itself is printed would prove nothing.

The times are made up: one question an hour, in an order that a hash shuffles. Everything else is as it was published.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from headrace.errors import SourceError
from headrace.llm.sectioning import find_media_type, split_document
from headrace.llm.sectioning.section import PATH_SEPARATOR, Section

FAQ = "faq/"
FIRST_ASKED_AT = datetime(2023, 3, 1, tzinfo=UTC)
ONE_QUESTION_EVERY = timedelta(hours=1)

FROM_FAQ = "heading of the FAQ of the Python 3.11 documentation, answered by the section below it; the time is made up"
BY_HAND = "written by hand for this use case about what the Python 3.11 documentation does not hold; the time is made up"

# Programming, tools and the world beside Python's own documentation: near enough to be asked, far enough not to be answered.
UNANSWERABLE = (
    "How do I create a data frame from a spreadsheet with pandas?",
    "How do I train a random forest with scikit-learn?",
    "What is the difference between a NumPy array and a tensor in PyTorch?",
    "How do I define a foreign key in a Django model?",
    "How do I return JSON with another status code from a Flask route?",
    "How do I publish a Docker image to a private registry?",
    "How do I restart a deployment in Kubernetes without downtime?",
    "How do I resize the root volume of a virtual machine at my cloud provider?",
    "How do I undo the last commit in Git without losing my changes?",
    "How do I centre a box in a page with CSS?",
    "How do I declare a generic interface in TypeScript?",
    "What does the borrow checker of Rust complain about when I move a value twice?",
    "How do I write a goroutine that stops when its context is cancelled?",
    "How do I add an index to a large PostgreSQL table without locking it?",
    "How do I mount a network drive in Windows at every start?",
    "Which graphics card should I buy for training neural networks?",
    "How long is the warranty on my laptop?",
    "How much does a licence for the commercial edition cost per seat?",
    "When does the support desk open on Sundays?",
    "How many days of holiday do I have left this year?",
    "What is the capital of Australia?",
    "Who won the football world championship in 2014?",
    "How do I bake a sourdough bread without a Dutch oven?",
    "How high is the highest mountain of South America in metres?",
    "What is the boiling point of ethanol at sea level?",
    "Which train goes from Vienna to Zurich in the evening?",
)

_INSTANT = pl.Datetime("us", "UTC")
_SCHEMA = {
    "question_id": pl.String(),
    "question": pl.String(),
    "asked_at": _INSTANT,
    "answer_section_id": pl.String(),
    "answer": pl.String(),
    "origin": pl.String(),
    "is_answerable": pl.Boolean(),
    "known_at": _INSTANT,
}


def is_question(section: Section) -> bool:
    """Whether a section of the reference corpus answers the question that is its heading."""
    return section.section_id.startswith(FAQ) and "?" in section.title and PATH_SEPARATOR in section.heading_path


def hide_question(section: Section) -> Section:
    """The section without the words of its question: named by a hash, called as what stands above it."""
    if not is_question(section):
        return section
    path = section.heading_path.removesuffix(PATH_SEPARATOR + section.title)
    name = f"{section.section_id.partition('#')[0]}#{name_question(section.title)}"
    return Section(section_id=name, position=section.position, title=path.rpartition(PATH_SEPARATOR)[2], heading_path=path, text=section.text)


def hide_questions(sections: pl.DataFrame) -> pl.DataFrame:
    """Rows of split documents without the words of questions; see `hide_question`."""
    columns = ["section_id", "position", "title", "heading_path", "text"]
    found = (Section(**row) for row in sections.select(columns).iter_rows(named=True))
    hidden = pl.DataFrame([vars(hide_question(section)) for section in found], schema=sections.select(columns).schema)
    return sections.with_columns(hidden)


def read_questions(folder: Path) -> pl.DataFrame:
    """All reference questions as rows of the bronze table, in the order in which they are asked.

    Args:
        folder: The reference corpus.

    Raises:
        SourceError: It has no FAQ.
    """
    sections = _read_faq(folder)
    titles = [section.title for section in sections]
    # What two pages ask ("What is Python?") has two truths, and would be right and wrong at once.
    answered = [_describe(section.title, section) for section in sections if titles.count(section.title) == 1]
    rows = sorted([*answered, *(_describe(question, None) for question in UNANSWERABLE)], key=lambda row: str(row["question_id"]))
    for number, row in enumerate(rows):
        row["asked_at"] = row["known_at"] = FIRST_ASKED_AT + number * ONE_QUESTION_EVERY
    return pl.DataFrame(rows, schema=_SCHEMA)


def _read_faq(folder: Path) -> Sequence[Section]:
    pages = [(path, media_type) for path in sorted((folder / FAQ).glob("*")) if (media_type := find_media_type(path.name))]
    split = [split_document(path.read_bytes(), media_type=media_type, document_id=f"{FAQ}{path.name}") for path, media_type in pages]
    found = [section for sections in split for section in sections if is_question(section)]
    if not found:
        raise SourceError(f"the reference corpus in {folder} has no questions below {FAQ}; for documents of your own give DOCS= their folder")
    return found


def _describe(question: str, section: Section | None) -> dict[str, object]:
    return {
        "question_id": name_question(question),
        "question": question,
        "answer_section_id": hide_question(section).section_id if section else None,
        "answer": section.text if section else None,
        "origin": FROM_FAQ if section else BY_HAND,
        "is_answerable": section is not None,
    }


def name_question(question: str) -> str:
    """An id that says nothing; ordered by it, questions are shuffled, the same way everywhere."""
    return f"question-{hashlib.sha256(question.encode()).hexdigest()[:12]}"
