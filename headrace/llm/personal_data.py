"""Personal data and secrets in text: where they stand, and the text without them.

Own patterns, each with a check that a chance match fails: a checksum (payment cards, IBAN, national identifiers), a numbering plan (phone
numbers), a registry (public IP addresses) or a shape that only a credential has. Names, streets and dates of birth have no such check and
are not found. Addresses that are reserved for examples, private networks and mailboxes of a role (`security@`) belong to nobody.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import phonenumbers
from stdnum import iban, luhn
from stdnum.es import dni
from stdnum.fr import nir
from stdnum.it import codicefiscale
from stdnum.us import ssn


@dataclass(frozen=True)
class Finding:
    """One piece of personal data; it does not hold the piece, so it can be logged.

    Attributes:
        kind: Which, `snake_case`: `email_address`.
        start: Its first character.
        end: The character after its last.
    """

    kind: str
    start: int
    end: int


@dataclass(frozen=True)
class _Rule:
    """How one kind is recognised.

    Attributes:
        kind: Its name.
        pattern: Where it may stand: the group `found`, or the whole match.
        measure: How many leading characters of a candidate are really it; 0: none.
        hints: Texts of which one is there wherever the kind is: most texts are done with after looking for them. None: no such texts.
    """

    kind: str
    pattern: re.Pattern[str]
    measure: Callable[[str], int]
    hints: tuple[str, ...] = ()


# RFC 2606 and RFC 6761 reserve these, so nobody can be reached there.
_RESERVED_DOMAIN = re.compile(r"(?:.*[.])?(?:example[.](?:com|org|net|edu)|example|test|invalid|localhost|local)", re.IGNORECASE)
# Mailboxes of RFC 2142, and those of the same sort that came later: a role reads them, no person.
_ROLE = re.compile(
    r"(?:abuse|admin|contact|docs|ftp|help|hostmaster|info|marketing|news|no-?reply|noc|postmaster|root|sales|security|support|usenet|uucp"
    r"|webmaster|www|.*-(?:announce|bounces|core|dev|help|ideas|list|lists|owner|request|sig|subscribe|users))",
    re.IGNORECASE,
)
# Issuers' first digits with the lengths of their numbers (ISO/IEC 7812): Visa, Mastercard, American Express, Discover, JCB, Diners, UnionPay.
_CARD = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}|62\d{14,17}"
)
# A national number is a phone number to this region's plan, and to every plan below where a word before it says that it is one.
_REGION, _REGIONS = "US", ("US", "GB", "DE", "FR", "ES", "IT", "NL", "AU", "IN", "BR")


def _is_persons(*, local: str, domain: str) -> bool:
    return not (_RESERVED_DOMAIN.fullmatch(domain) or _ROLE.fullmatch(local))


def _is_phone(text: str) -> int:
    return len(text) if _is_number_of(text, (_REGION,)) else 0


def _is_number_of(text: str, regions: tuple[str, ...]) -> bool:
    for region in regions:
        try:
            number = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return True
    return False


def _is_card(text: str) -> int:
    digits = re.sub("[ -]", "", text)
    return len(text) if _CARD.fullmatch(digits) and luhn.is_valid(digits) else 0


def _measure_iban(text: str) -> int:
    # In capitals, words after it look like more of it: take them away, one by one.
    while text:
        if iban.is_valid(text):
            return len(text)
        text = text.rpartition(" ")[0]
    return 0


def _is_social_security(text: str) -> int:
    return len(text) if ssn.is_valid(text.replace(" ", "-")) else 0


def _is_public(text: str) -> int:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return 0
    # Four small numbers are a version or a heading more often than a machine.
    is_small = address.version == 4 and max(address.packed) < 32
    return len(text) if address.is_global and not is_small else 0


def _if_valid(is_valid: Callable[[str], bool]) -> Callable[[str], int]:
    return lambda text: len(text) if is_valid(text) else 0


def _is_password(text: str) -> int:
    # What stands for a password in a manual is written like this.
    placeholder = re.fullmatch(r"[<{$%\[].*|[x*.]+|pass(?:word|wd)?|pw|secret", text, re.IGNORECASE)
    return 0 if placeholder else len(text)


_KEYS = (
    r"(?:AKIA|ASIA)[0-9A-Z]{16}"  # Amazon
    r"|AIza[\w-]{35}"  # Google
    r"|gh[oprsu]_[0-9A-Za-z]{36,255}|github_pat_\w{50,255}|glpat-[\w-]{20,64}"  # GitHub, GitLab
    r"|sk-(?:ant-|proj-|svcacct-|or-)?[\w-]{32,200}|hf_[0-9A-Za-z]{34,40}"  # Anthropic, OpenAI, Hugging Face
    r"|xox[abeoprs]-[0-9A-Za-z-]{20,250}|xapp-\d-[0-9A-Za-z-]{20,250}"  # Slack
    r"|[rs]k_(?:live|test)_[0-9A-Za-z]{16,250}|SG[.][\w-]{16,64}[.][\w-]{16,64}"  # Stripe, SendGrid
    r"|npm_[0-9A-Za-z]{36}|pypi-AgE[\w-]{50,250}|dop_v1_[0-9a-f]{64}|shpat_[0-9a-f]{32}"  # npm, the Python index, DigitalOcean, Shopify
    r"|eyJ[\w-]{10,2000}[.]eyJ[\w-]{10,4000}[.][\w-]{16,1000}"  # JSON web token
)
_KEY_HINTS = ("AKIA", "ASIA", "AIza", "gho_", "ghp_", "ghr_", "ghs_", "ghu_", "github_pat_", "glpat-", "sk-", "hf_", "xox", "xapp-")
_KEY_HINTS += ("k_live_", "k_test_", "SG.", "npm_", "pypi-AgE", "dop_v1_", "shpat_", "eyJ")

# The looks back stand after the first character: a pattern that begins with a set of characters is searched three times as fast.
_NUMBER_BEGINS, _NUMBER_ENDS = r"(?<![\w.-].)", r"(?![\w-]|[.]\d)"


def _pattern(text: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    return re.compile(text, re.ASCII | (re.IGNORECASE if ignore_case else 0))


# Where two overlap, the earlier start counts, and of one start the rule that stands first here.
_RULES = (
    _Rule(
        "private_key",
        _pattern(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?:[\w+/=\s:,.\\]|-(?!-)){64,20000}-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
        ),
        len,
        ("PRIVATE KEY",),
    ),
    _Rule("password_in_url", _pattern(r"://[^\s/:@'\"]{0,64}:(?P<found>[^\s/@'\"]{3,128})@"), _is_password, ("://",)),
    _Rule("api_key", _pattern(rf"(?<![\w-])(?:{_KEYS})(?![\w-])"), len, _KEY_HINTS),
    _Rule("iban", _pattern(r"[A-Z](?<!\w.)[A-Z]\d\d(?: ?[0-9A-Z]{4}){2,7}(?: ?[0-9A-Z]{1,3})?(?!\w)"), _measure_iban),
    _Rule(
        "payment_card",
        _pattern(rf"\d{_NUMBER_BEGINS}(?:\d{{12,18}}|\d{{3}}([ -])\d{{4}}\1\d{{4}}\1\d{{1,7}}|\d{{3}}([ -])\d{{6}}\2\d{{4,5}}){_NUMBER_ENDS}"),
        _is_card,
    ),
    _Rule("social_security_number", _pattern(rf"\d{_NUMBER_BEGINS}\d\d([- ])\d\d\1\d{{4}}{_NUMBER_ENDS}"), _is_social_security),
    _Rule(
        "social_security_number",
        _pattern(rf"[12]{_NUMBER_BEGINS} ?\d\d ?(?:0[1-9]|1[0-2]|[2-4]\d) ?\d[\dAB] ?\d{{3}} ?\d{{3}} ?\d\d{_NUMBER_ENDS}"),
        _if_valid(nir.is_valid),
    ),
    _Rule(
        "national_identifier",
        _pattern(r"[A-Z](?<![\w.-].)[A-Z]{5}[0-9L-V]{2}[A-EHLMPRST][0-9L-V]{2}[A-Z][0-9L-V]{3}[A-Z](?![\w-])"),
        _if_valid(codicefiscale.is_valid),
    ),
    _Rule("national_identifier", _pattern(rf"\d{_NUMBER_BEGINS}\d{{7}}-?[A-HJ-NP-TV-Z](?![\w-])"), _if_valid(dni.is_valid)),
    _Rule("ip_address", _pattern(r"\d(?<![\w.:/=-].)\d{0,2}(?:[.]\d{1,3}){3}(?![\w-]|[.]\w|/\d)"), _is_public),
    _Rule("ip_address", _pattern(r"[23](?<![\w.:].)[0-9a-f]{3}:[0-9a-f:]{2,34}(?![\w:]|/\d)", ignore_case=True), _is_public),
    _Rule("phone_number", _pattern(rf"[+](?<![\w.+-].)[1-9]\d{{0,2}}(?:[ ().-]{{0,3}}\d){{6,13}}{_NUMBER_ENDS}"), _is_phone, ("+",)),
    _Rule("phone_number", _pattern(rf"\((?<!\w.)\d{{3}}\) ?\d{{3}}[-. ]\d{{4}}{_NUMBER_ENDS}"), _is_phone),
    _Rule("phone_number", _pattern(rf"\d(?<![\w.+-].)(?:[-. ]\d{{3}}|\d\d)[-.]\d{{3}}[-.]\d{{4}}{_NUMBER_ENDS}"), _is_phone),
    # With blanks only, it may be a row of figures.
    _Rule("phone_number", _pattern(rf"\d(?<![\w.+-].)(?<!\d[ ].)\d\d \d{{3}} \d{{4}}(?! ?\d){_NUMBER_ENDS}"), _is_phone),
)
# Letters of any script, as RFC 6531 allows.
_DOMAIN = re.compile(r"@(?:[\w-]{1,63}[.]){1,5}[^\W\d_]{2,24}(?![\w@-])")
# The end is `\Z`: `$` would also match before a line end, and make an address of a word and the decorator on the next line.
_LOCAL_PART = re.compile(r"[\w.+%-]{1,64}\Z")
_USER_OF_URL = re.compile(r"://[^\s/@]*\Z")
# A number that only a word before it makes a phone number.
_NUMBER = _pattern(r"[+(\d](?<![\w.+-].)\d?(?:[ ()/.-]{0,2}\d){6,14}(?![\w-])")
_PHONE_WORD = _pattern(r"\b(?:phone|telephone|tel|mobile|cell|fax|whatsapp|call|reach|dial)\b[^\d\n+(\]]{0,24}$", ignore_case=True)

KINDS = tuple(dict.fromkeys(["email_address", *(rule.kind for rule in _RULES)]))


def find(text: str) -> list[Finding]:
    """Personal data and secrets in a text.

    Returns:
        One per piece, in the order of the text; none overlaps another.
    """
    candidates = [finding for rule in _RULES for finding in _apply(rule, text)] + _find_addresses(text) + _find_named_phones(text)
    kept: list[Finding] = []
    # The sort is stable, so of those with one start the rule that stands first is first.
    for finding in sorted(candidates, key=lambda candidate: candidate.start):
        if not kept or finding.start >= kept[-1].end:
            kept.append(finding)
        elif finding.end > kept[-1].end:
            kept[-1] = replace(kept[-1], end=finding.end)
    return kept


def mask(text: str) -> tuple[str, int]:
    """The text with each piece of personal data replaced by its kind, `[email address removed]`, and how many there were.

    What is masked holds nothing that would be found: what only came to light beside a replacement is masked too.
    """
    count = 0
    while findings := find(text):
        parts, position = [], 0
        for finding in findings:
            parts += [text[position : finding.start], f"[{finding.kind.replace('_', ' ')} removed]"]
            position = finding.end
        text, count = "".join([*parts, text[position:]]), count + len(findings)
    return text, count


def _apply(rule: _Rule, text: str) -> list[Finding]:
    if rule.hints and not any(hint in text for hint in rule.hints):
        return []
    group = "found" if "found" in rule.pattern.groupindex else 0
    found = []
    for match in rule.pattern.finditer(text):
        if length := rule.measure(match[group]):
            found.append(Finding(rule.kind, match.start(group), match.start(group) + length))
    return found


def _find_addresses(text: str) -> list[Finding]:
    found = []
    for domain in _DOMAIN.finditer(text):
        local = _LOCAL_PART.search(text, max(0, domain.start() - 64), domain.start())
        if local and not _USER_OF_URL.search(text, max(0, local.start() - 128), local.start()) and _is_persons(local=local[0], domain=domain[0][1:]):
            found.append(Finding("email_address", local.start(), domain.end()))
    return found


def _find_named_phones(text: str) -> list[Finding]:
    found = []
    for number in _NUMBER.finditer(text):
        if _PHONE_WORD.search(text, max(0, number.start() - 40), number.start()) and _is_number_of(number[0], _REGIONS):
            found.append(Finding("phone_number", number.start(), number.end()))
    return found
