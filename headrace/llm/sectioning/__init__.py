"""Documents into sections, format by format: boilerplate left out, everything else kept."""

from collections.abc import Callable, Iterator, Mapping

from headrace.llm.sectioning import html, markdown, rst, text
from headrace.llm.sectioning.section import Part, Section, build_sections

# Ends of file names -> media type, longest first: Sphinx writes its sources as `.rst.txt`.
MEDIA_TYPES: Mapping[str, str] = {
    ".rst.txt": "text/x-rst",
    ".markdown": "text/markdown",
    ".html": "text/html",
    ".htm": "text/html",
    ".rst": "text/x-rst",
    ".txt": "text/plain",
    ".md": "text/markdown",
}

_READERS: Mapping[str, Callable[[str], Iterator[Part]]] = {
    "text/html": html.read_parts,
    "text/markdown": markdown.read_parts,
    "text/x-rst": rst.read_parts,
    "text/plain": text.read_parts,
}


def find_media_type(name: str) -> str | None:
    """The media type of a file by the end of its name; None: it is no document that can be split."""
    return next((media_type for end, media_type in MEDIA_TYPES.items() if name.lower().endswith(end)), None)


def split_document(content: bytes, *, media_type: str, document_id: str) -> list[Section]:
    """Split one document.

    Args:
        content: The file as it came.
        media_type: One of those of `MEDIA_TYPES`.
        document_id: Path of the document below its folder; sections are named after it.

    Returns:
        Its sections in the order of the document; none where it has no text.

    Raises:
        UnicodeDecodeError: The file is not UTF-8.
        KeyError: Nothing reads that media type.
    """
    # A byte order mark is no text, and what ends lines differs by the machine that wrote them.
    readable = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    return build_sections(_READERS[media_type](readable), document_id=document_id)
