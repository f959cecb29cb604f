"""What a text says once its disguise is taken off: encodings that a language model reads fluently and a pattern does not.

Each view costs one more look, so a view is made only where the text has what it needs.
"""

import base64
import binascii
import codecs
import html
import re
import unicodedata
import urllib.parse

_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff]")
_TAGS = re.compile("[\U000e0020-\U000e007e]+")
_SPACED = re.compile(r"\b(?:\w[ ._*-]){5,}\w\b")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{20,}={0,2}")
_BASE32 = re.compile(r"\b[A-Z2-7]{16,}={0,6}")
_HEX = re.compile(r"\b(?:(?:0x|\\x)?[0-9a-fA-F]{2}[ ,]?){12,}")
_BINARY = re.compile(r"\b(?:[01]{8}[ ,]?){6,}")
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2}|[\w.+-]){3,}")
_ESCAPES = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4})")
_ENTITY = re.compile(r"&(?:#x?[0-9a-fA-F]{2,6}|[a-z]{2,8});")
_LEET = str.maketrans("01345789@$!", "oieastbgasi")
_LEET_WORD = re.compile(r"\b(?=\w*[a-zA-Z])(?=\w*[013457])[\w@$!]{3,}")

# Letters that look like those of English and are others: Cyrillic and Greek ones, and the two of Turkish that are an i in one case only.
_LOOKALIKES = str.maketrans("ІЈЅаеорсухіѕԁӏАВЕКМНОРСТХαεικνορτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧıİ", "IJSaeopcyxisdlABEKMHOPCTXaeiknoptuxABEZHIKMNOPTYXiI")


def unmask(text: str) -> str:
    """The text in one form of each letter: without invisible characters, with hidden tags and look-alikes as the letters they stand for."""
    if text.isascii():
        return text
    shown = _TAGS.sub(lambda found: "".join(chr(ord(character) - 0xE0000) for character in found[0]), text)
    folded = unicodedata.normalize("NFKC", _INVISIBLE.sub("", shown))
    # A word that is Cyrillic or Greek throughout is a word of its language.
    return re.sub(r"\w+", lambda word: word[0].translate(_LOOKALIKES) if re.search("[A-Za-z]", word[0]) else word[0], folded)


def list_views(text: str) -> list[str]:
    """The text without look-alikes, and whatever decodes from it to words.

    Returns:
        The plain text first; then, of what is there: spaced letters joined, digits for letters, text between entities, escapes and percent
        signs, the contents of base64, base32, hexadecimal and binary, and the whole turned round and by thirteen letters.
    """
    plain = unmask(text)
    decoded = [_decode_base64(found) for found in _BASE64.findall(plain)] + [_decode_base32(found) for found in _BASE32.findall(plain)]
    decoded += [_decode_hex(found) for found in _HEX.findall(plain)] + [_decode_binary(found) for found in _BINARY.findall(plain)]
    views = [plain, *filter(None, decoded)]
    if _SPACED.search(plain):
        views.append(_SPACED.sub(lambda found: found[0][::2], plain))
    if len(_LEET_WORD.findall(plain)) >= 3:
        views.append(plain.lower().translate(_LEET))
    if plain.count("%") >= 3:
        views.append(_PERCENT.sub(lambda found: urllib.parse.unquote(found[0], errors="replace"), plain))
    if _ENTITY.search(plain):
        views.append(html.unescape(plain))
    if _ESCAPES.search(plain):
        views.append(_ESCAPES.sub(lambda found: chr(int(found[0][2:], 16)), plain))
    return [*views, plain[::-1], codecs.decode(plain, "rot13")]


def _decode_base64(found: str) -> str:
    digits = found.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return _as_words(base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True))
    except (binascii.Error, ValueError):
        return ""


def _decode_base32(found: str) -> str:
    digits = found.rstrip("=")
    try:
        return _as_words(base64.b32decode(digits + "=" * (-len(digits) % 8)))
    except (binascii.Error, ValueError):
        return ""


def _decode_hex(found: str) -> str:
    return _as_words(bytes.fromhex(re.sub(r"0x|\\x|[ ,]", "", found)))


def _decode_binary(found: str) -> str:
    return _as_words(bytes(int(part, 2) for part in re.findall("[01]{8}", found)))


def _as_words(content: bytes) -> str:
    """The text that these bytes are; empty where they are none."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return ""
    is_text = all(character.isprintable() or character.isspace() for character in text)
    return text if is_text and any(map(str.isspace, text)) else ""
