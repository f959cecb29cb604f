"""Inline markup of reStructuredText, as a reader of the finished page sees it."""

import re

# One pass over all markup: what stands in a literal is never looked at again.
_MARKUP = re.compile(
    r"""
      ``(?P<literal>.+?)``(?!`)
    | :(?P<role>[A-Za-z][A-Za-z0-9_:+.-]*):`(?P<content>(?:[^`\\]|\\.)+)`
    | `(?P<phrase>(?:[^`\\]|\\.)+)`(?P<reference>__?(?!\w))?
    | (?<![\w*\\])\*\*(?P<strong>[^\s*](?:.*?[^\s\\])??)\*\*(?![\w*])
    | (?<![\w*\\/])\*(?P<emphasis>[^\s*](?:[^*]*?[^\s*\\])??)\*(?![\w*])
    | \[(?P<note>[\w#*-]+)\]_(?!\w)
    | \\(?P<escaped>[\s\S])
    """,
    re.VERBOSE | re.DOTALL,
)
_TARGETED = re.compile(r"(?P<title>.*\S)\s*<[^<>]*>\s*", re.DOTALL)

# Roles that stand for more than their text, by how the page writes them.
_PREFIXES = {"pep": "PEP ", "rfc": "RFC ", "issue": "bpo-", "gh": "gh-"}
_CALLED = ("func", "meth", "c:func", "py:func", "py:meth")


def read_inline(text: str) -> str:
    """A paragraph without its markup. Line ends stay where they are."""
    return _MARKUP.sub(_read_markup, text)


def _read_markup(found: re.Match[str]) -> str:
    groups = found.groupdict()
    if groups["role"]:
        return _read_role(groups["role"].lower(), _unescape(groups["content"]))
    if groups["phrase"]:
        titled = _TARGETED.fullmatch(groups["phrase"]) if groups["reference"] else None
        return _unescape(titled["title"] if titled else groups["phrase"])
    if groups["note"]:
        return f"[{groups['note'].lstrip('#')}]"
    if groups["escaped"]:
        return "" if groups["escaped"].isspace() else groups["escaped"]
    return next(groups[name] for name in ("literal", "strong", "emphasis") if groups[name])


def _read_role(role: str, content: str) -> str:
    """`~package.name` is called by its last part, `!name` by its name, `title <target>` by its title."""
    titled = _TARGETED.fullmatch(content)
    if titled:
        return titled["title"]
    if role in _PREFIXES:
        return _PREFIXES[role] + content.partition("#")[0]
    name = content.lstrip("!")
    if name.startswith("~"):
        name = name[1:].rpartition(".")[2]
    if role in _CALLED:
        return name if name.endswith(")") else f"{name}()"
    if role in ("ref", "doc"):
        # The title of another document's section is not known here; its label is mostly made of the same words.
        return re.sub(r"[-_]", " ", name.rpartition("/")[2])
    return re.sub(r"[{}]", "", name) if role in ("samp", "file") else name


def _unescape(text: str) -> str:
    return re.sub(r"\\([\s\S])", lambda found: "" if found[1].isspace() else found[1], text)
