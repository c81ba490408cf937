"""What the parts of a workbook come to, before anybody parses them: a zip file may say anything of itself.

Enters: the bytes of a zip file. Leaves: how many bytes its parts say they have, how many tags stand in them; or
BadZipFile where a part is not what it says. What is too much is for `sheets.py` to say.
"""

from __future__ import annotations

import io
import zipfile

_PIECE = 1 << 20


def said_bytes(data: bytes) -> int:
    """The sum of what the parts say of themselves. Raises BadZipFile."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return sum(part.file_size for part in archive.infolist())


def tags(data: bytes) -> int:
    """How many `<` stand in all parts; never more of one is unpacked than it says. Raises BadZipFile."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return sum(_tags(archive, part) for part in archive.infolist())


def _tags(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> int:
    with archive.open(part) as source:  # piece by piece: read at once, all of it would be unpacked before it is cut
        return sum(piece.count(b"<") for piece in iter(lambda: source.read(_PIECE), b""))
