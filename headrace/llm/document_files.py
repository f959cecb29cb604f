"""The documents that a folder holds at this moment: which files they are, what they are and a hash of their bytes.

Left out: hidden files, and counted in the log other kinds of files and what the source excludes. A document or folder that is a link
out of the folder is refused, because nobody who looked at the folder has seen what is there.
"""

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from headrace.errors import SourceError
from headrace.llm.sectioning import MEDIA_TYPES, find_media_type

logger = logging.getLogger(__name__)

# Larger files are no pages that a person reads; the longest page of the Python documentation has 0.6 MB as HTML.
LARGEST_BYTES = 16 << 20


@dataclass(frozen=True, kw_only=True)
class Document:
    """One file, as it was found.

    Attributes:
        document_id: Its path below the folder, with `/` between its parts.
        path: Where it lies.
        media_type: What it is, by the end of its name.
        content_hash: Its sha256.
        byte_count: Its size.
    """

    document_id: str
    path: Path
    media_type: str
    content_hash: str
    byte_count: int

    def read(self) -> bytes | None:
        """Its bytes; None where it is too large to be taken.

        Raises:
            SourceError: It is gone or was changed since it was found.
        """
        if self.byte_count > LARGEST_BYTES:
            return None
        content = _read(self.path)
        if hashlib.sha256(content).hexdigest() != self.content_hash:
            raise SourceError(f"{self.path} was changed while it was read; run this again when nobody writes in its folder")
        return content


def list_documents(folder: Path, *, excluded: Sequence[str] = ()) -> list[Document]:
    """The documents of a folder and of all folders in it, ordered by their ids.

    Args:
        folder: Where they are.
        excluded: Patterns (`_static/*`) of paths below the folder that are left out.

    Raises:
        SourceError: There is no such folder or no document in it, a file cannot be read, or a link leads out of the folder.
    """
    if not folder.is_dir():
        raise SourceError(f"folder of documents {folder} does not exist; give DOCS= the folder that holds them")
    left_out: Counter[str] = Counter()
    found = []
    for path in _walk(folder):
        document_id, media_type = _name(path, folder), find_media_type(path.name)
        if any(fnmatch(f"{document_id}/" if path.is_dir() else document_id, pattern) for pattern in excluded):
            left_out["excluded"] += 1
        elif not path.is_symlink() and not path.is_file():
            # Reading a pipe would wait for somebody who writes.
            left_out["not a file"] += 1
        elif media_type is None and not path.is_dir():
            left_out[path.suffix.lower() or "without a suffix"] += 1
        elif path.is_symlink():
            _check_stays_inside(path, folder)
        else:
            found.append(_find(path, document_id, str(media_type)))
    if left_out:
        logger.info("left out of %s: %s", folder, ", ".join(f"{kind} files=%d" % count for kind, count in sorted(left_out.items())))
    if not found:
        raise SourceError(
            f"{folder} holds no document, expected at least one file ending in {', '.join(sorted(MEDIA_TYPES))}; is it the right folder?"
        )
    return sorted(found, key=lambda document: document.document_id)


def _walk(folder: Path) -> Iterator[Path]:
    """Files and links to folders that are not hidden."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if Path(parent, name).is_symlink()]
        yield from (Path(parent, name) for name in [*links, *files] if not name.startswith("."))


def _check_stays_inside(link: Path, folder: Path) -> None:
    """A link within the folder is passed over, for what it leads to is found under its own name."""
    # pathlib's resolve raises where links lead in a circle.
    if not Path(os.path.realpath(link)).is_relative_to(os.path.realpath(folder)):
        raise SourceError(f"{link} is a link that leads out of {folder}; put the document itself there, or remove the link")


def _name(path: Path, folder: Path) -> str:
    """Any byte may be in a file's name; what is no UTF-8 is written by its number."""
    return os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "backslashreplace")


def _find(path: Path, document_id: str, media_type: str) -> Document:
    size = path.stat().st_size
    if size > LARGEST_BYTES:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        logger.warning("document %s has %d bytes, more than the %d that are taken; it goes to quarantine: split it", document_id, size, LARGEST_BYTES)
    else:
        content = _read(path)
        digest, size = hashlib.sha256(content).hexdigest(), len(content)
    return Document(document_id=document_id, path=path, media_type=media_type, content_hash=digest, byte_count=size)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}; check that it is still there and may be read") from error
