"""What is wrong with a request's body, in a sentence: where, and what was expected; never what came."""

from collections.abc import Callable

from pydantic import ValidationError

# Findings named in one error; a body of 1,000 wrong rows is not worth 1,000 sentences.
_NAMED = 5

Place = tuple[int | str, ...]

# Kind of a finding and its place -> how the sentence goes on behind the place; None: in pydantic's words.
Tell = Callable[[str, Place], str | None]


def explain(error: ValidationError, tell: Tell) -> tuple[int, str]:
    """HTTP status and sentence for a refused body: 400 when it is not JSON, 422 when it is not what is asked for.

    Args:
        error: What pydantic found.
        tell: What of it is said in the route's own words.
    """
    findings = error.errors(include_url=False, include_input=False)
    if findings[0]["type"] == "json_invalid":
        return 400, f"the body is not JSON: {findings[0]['msg'].removeprefix('Invalid JSON: ')}"
    named = [_explain(finding["type"], finding["loc"], finding["msg"], tell) for finding in findings[:_NAMED]]
    rest = len(findings) - _NAMED
    return 422, "; ".join(named) + (f"; and {rest} more" if rest > 0 else "")


def _explain(kind: str, place: Place, message: str, tell: Tell) -> str:
    where = ".".join(map(str, place)) or "the body"
    own = "is missing" if kind == "missing" else tell(kind, place)
    if own is not None:
        return f"{where} {own}"
    sentence = message.removeprefix("Value error, ")
    return f"{where}: {sentence[:1].lower()}{sentence[1:]}"
