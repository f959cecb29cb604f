"""What a chat is asked and answers."""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from headrace.models.kinds.assistant import ANSWER, CONFIDENCE, QUOTATIONS, WORDING
from headrace.serving.incoming import REQUEST_ID
from headrace.serving.request_rows import LoggedRow

# A page of a manual is longer, but no question is.
MAX_QUESTION_CHARACTERS = 2_000
MAX_CORRECTION_CHARACTERS = 4_000

# A request's id, and where it had several questions the place of one of them, from 0.
ASKED_ID = rf"{REQUEST_ID.pattern}(/[0-9]{{1,4}})?"

_Id = Annotated[str, StringConstraints(pattern=rf"^{REQUEST_ID.pattern}$")]
_Asked = Annotated[str, StringConstraints(pattern=rf"^{ASKED_ID}$")]
# OpenAPI 3.0, which the bundled page reads, spells "or null" in its own way.
_Nullable = WithJsonSchema({"type": "string", "nullable": True})
_NullableCount = WithJsonSchema({"type": "integer", "nullable": True})


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Question(_Body):
    """One question."""

    question: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_QUESTION_CHARACTERS)]
    conversation_id: Annotated[_Id | None, _Nullable] = Field(default=None, description="Groups questions; each is answered by itself.")
    words: Annotated[bool | None, WithJsonSchema({"type": "boolean", "nullable": True})] = Field(
        default=None, description="Whether a model should word the answer; left out, as the server is set."
    )


class Citation(BaseModel):
    """What an answer rests on."""

    number: int = Field(description="Its number in the answer, from 1.")
    section_id: str = Field(description="The section.")
    document_id: str = Field(description="The document that the section belongs to.")
    heading_path: str = Field(description="Titles from the document's down to the section's.")
    quotation: str = Field(description="Words of the section, to the letter.")


class Words(BaseModel):
    """What became of the wish for a model's words."""

    is_shown: bool = Field(description="Whether the answer is the model's words, which the cited passages hold; else quotations stand in for them.")
    reason: str = Field(description="Why.")
    model: Annotated[str | None, _Nullable] = Field(description="Name of the model that was called; null: none was.")
    input_token_count: Annotated[int | None, _NullableCount] = Field(description="Tokens of the prompt, over all calls; null: not known.")
    output_token_count: Annotated[int | None, _NullableCount] = Field(description="Tokens that the model wrote, over all calls; null: not known.")


class ChatReply(BaseModel):
    """The answer to one question; `X-Request-ID` says its id, too."""

    request_id: str = Field(description="What feedback names; the key in the requests table is this, a slash and 0.")
    answer: str
    is_answered: bool = Field(description="False: the documents do not say.")
    confidence_fraction: float = Field(description="Probability that the first section that may be shown holds the answer, 0 to 1.")
    citations: list[Citation]
    model_version: int = Field(description="Version of the champion in the registry.")
    words: Annotated[Words | None, WithJsonSchema(Words.model_json_schema() | {"nullable": True})] = Field(
        description="Of a model, where they were wished for; else null."
    )


class Feedback(_Body):
    """What a reader thinks of an answer: at least one of a rating, a correction, and the wish for a person."""

    request_id: _Asked = Field(description="The answer's request id.")
    rating: Annotated[Literal["up", "down"] | None, _Nullable] = None
    correction: Annotated[
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_CORRECTION_CHARACTERS)] | None, _Nullable
    ] = Field(default=None, description="What the answer should have been.")
    ask_person: bool = Field(default=False, description="Whether a person should answer.")
    feedback_id: Annotated[_Id | None, _Nullable] = Field(
        default=None,
        description="Sent again with the same id, feedback is recorded once. Left out, the same words about the same answer are the same feedback.",
    )


class PersonAnswer(_Body):
    """What a person answers to a question of the queue."""

    request_id: _Asked
    answer: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_CORRECTION_CHARACTERS)]
    section_id: Annotated[Annotated[str, StringConstraints(min_length=1, max_length=1_000)] | None, _Nullable] = Field(
        default=None, description="The section that holds the answer, where there is one."
    )
    answered_by: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class Recorded(BaseModel):
    """That feedback is on disk."""

    feedback_id: str
    request_id: str
    is_new: bool = Field(description="False: it was there before.")


def build_chat_reply(row: LoggedRow) -> ChatReply:
    """The answer that a logged row holds."""
    quotations: list[dict[str, Any]] = json.loads(row[QUOTATIONS])
    citations = [
        Citation(
            number=number,
            section_id=quoted["section_id"],
            document_id=quoted["section_id"].rpartition("#")[0],
            heading_path=quoted["heading_path"],
            quotation=quoted["text"],
        )
        for number, quoted in enumerate(quotations, start=1)
    ]
    return ChatReply(
        request_id=row["request_id"].rpartition("/")[0],
        answer=row[ANSWER],
        is_answered=bool(citations),
        confidence_fraction=row[CONFIDENCE],
        citations=citations,
        model_version=row["model_version"],
        words=_build_words(row[WORDING]),
    )


def _build_words(wording: str | None) -> Words | None:
    if wording is None:
        return None
    content: dict[str, Any] = json.loads(wording)
    calls = content["calls"]
    return Words(
        is_shown=content["is_shown"],
        reason=content["reason"],
        model=calls[-1]["model"] if calls else None,
        input_token_count=_add([call["input_token_count"] for call in calls]),
        output_token_count=_add([call["output_token_count"] for call in calls]),
    )


def _add(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if counts and len(known) == len(counts) else None


def split_words(text: str) -> list[str]:
    """A text in pieces of a word and the white space behind it; together they are the text."""
    return [piece for piece in re.split(r"(?<=\s)(?=\S)", text) if piece]


def format_event(data: dict[str, Any], *, name: str | None = None) -> str:
    """A server-sent event. Everything beyond ASCII is escaped: many clients end a line at U+2028 or U+0085 too, in the middle of the data."""
    return ("" if name is None else f"event: {name}\n") + f"data: {json.dumps(data)}\n\n"
