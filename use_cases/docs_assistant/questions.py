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
FIRST_ASKED_AT = datetime(2023, 2, 26, 18, tzinfo=UTC)
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
    "How do I send a request with retries by the library Requests?",
    "How do I write a fixture with module scope in pytest?",
    "How do I pin the dependencies of a project with Poetry?",
    "How do I plot two lines with different scales in Matplotlib?",
    "How do I validate nested models with Pydantic?",
    "How do I declare a many-to-many relationship in SQLAlchemy?",
    "How do I schedule a task every minute with Celery?",
    "How do I scrape a page behind a login with Scrapy?",
    "How do I open a connection to Redis from a FastAPI application?",
    "How do I merge two data frames by nearest time in Polars?",
    "How do I read two columns of a Parquet file with PyArrow?",
    "How do I fine-tune a language model with the Transformers library?",
    "How do I build a graphical user interface with PySide?",
    "How do I detect faces in a picture with OpenCV?",
    "How do I create a conda environment from a file?",
    "How do I run Black and isort before every commit?",
    "How do I compile a NumPy function with Numba?",
    "How do I host Jupyter notebooks for several users?",
    "How do I crop and rotate a JPEG with Pillow?",
    "How do I mock a call to Amazon S3 with moto?",
    "How do I hide a route from the OpenAPI page of FastAPI?",
    "How do I deploy a Streamlit dashboard?",
    "How do I export a PyTorch model to ONNX?",
    "How do I unwrap an optional in Swift?",
    "How do I avoid a null pointer exception in Kotlin?",
    "How do I declare a virtual destructor in C++?",
    "How do I write a macro in Lisp that captures a variable?",
    "How do I loop over the lines of a file in Bash?",
    "How do I wait for several promises in JavaScript?",
    "How do I join two tables in SQL without duplicates?",
    "How do I vectorise a loop in Julia?",
    "How do I fit a mixed model in R?",
    "How do I recover from a failed future in Scala?",
    "How do I write a Makefile rule with several targets?",
    "How do I rebase a branch on another in Git?",
    "How do I configure a reverse proxy in nginx?",
    "How do I give a pod more memory in Kubernetes?",
    "How do I run a workflow on every pull request in GitHub Actions?",
    "How do I rotate the log files of a Linux server with logrotate?",
    "How do I pivot a table in Excel?",
    "How do I set up two-factor authentication for my account?",
    "How do I restore a snapshot in Elasticsearch?",
    "How do I read a message twice in Kafka?",
    "How much does a Python developer earn in Berlin?",
    "Where does the next PyCon take place?",
    "Which certificate do I need to be hired as a programmer?",
    "Which editor theme is easiest on the eyes?",
    "How long do pythons live in captivity?",
    "How do I renew my passport?",
    "What is the exchange rate of the Swiss franc?",
    "How do I remove a red wine stain from a carpet?",
    "Which vaccine do I need for a journey to Kenya?",
    "How many moons does Saturn have?",
    "Who wrote The Magic Mountain?",
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
