"""Unwraps gzip, bz2, xz and zip, with a limit on what comes out."""

import bz2
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from typing import Any, Final

from agnews_core.errors import DataError

# A bomb grows a thousandfold and more; texts, which repeat themselves a little, three- to fivefold.
MAX_EXPANSION: Final = 100
# An xz file names the memory it wants; the strongest setting wants 65 MB.
XZ_MEMORY_BYTES: Final = 128 * 2**20

_STARTS: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\0": "xz",
    b"PK\x03\x04": "zip",
    b"\x28\xb5\x2f\xfd": "zstd",
}


def unwrap(data: bytes, *, max_bytes: int, always_bytes: int) -> tuple[bytes, str | None]:
    """Return what a compressed file holds and how it was compressed; any other file comes back as it is, with None.

    Args:
        data: the file.
        max_bytes: what it may expand to at most.
        always_bytes: what it may expand to however small it is.

    Raises:
        DataError: it is damaged, expands too far, or holds something else than one file.
    """
    name = next((name for start, name in _STARTS.items() if data.startswith(start)), None)
    if name is None:
        return data, None
    if name == "zstd":
        raise DataError(
            "This file is compressed with zstd, which is not read here; save it with gzip or without compression."
        )
    limit_bytes = min(max_bytes, max(always_bytes, MAX_EXPANSION * len(data)))
    try:
        return _unwrap_known(data, name, limit_bytes), name
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise DataError(f"This {name} file is damaged; compress it again, or use it without compression.") from error


def _unwrap_known(data: bytes, name: str, limit_bytes: int) -> bytes:
    if name == "zip":
        return _unwrap_zip(data, limit_bytes)
    if name == "gzip":
        return _unwrap_streams(data, lambda: zlib.decompressobj(wbits=zlib.MAX_WBITS + 16), limit_bytes)
    if name == "bz2":
        return _unwrap_streams(data, bz2.BZ2Decompressor, limit_bytes)
    return _unwrap_streams(data, lambda: lzma.LZMADecompressor(memlimit=XZ_MEMORY_BYTES), limit_bytes)


def _unwrap_streams(data: bytes, make_decompressor: Callable[[], Any], limit_bytes: int) -> bytes:
    """Expand one stream after the other, as gzip, bz2 and xz files may hold several."""
    whole = bytearray()
    while data:
        decompressor = make_decompressor()
        whole += decompressor.decompress(data, limit_bytes + 1 - len(whole))
        _check_size(len(whole), limit_bytes)
        if not decompressor.eof:
            raise EOFError
        data = decompressor.unused_data.lstrip(b"\0")  # files may be padded
    return bytes(whole)


def _unwrap_zip(data: bytes, limit_bytes: int) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = [one for one in archive.infolist() if not one.is_dir() and not one.filename.startswith("__MACOSX/")]
        if len(files) != 1:
            raise DataError(f"This zip file holds {len(files):,} files; unpack it and choose the one with the texts.")
        if files[0].flag_bits & 1:
            raise DataError("This zip file is encrypted; unpack it and choose the file in it.")
        if files[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
            raise DataError("This zip file is compressed in an unusual way; unpack it and choose the file in it.")
        with archive.open(files[0]) as stream:
            whole = stream.read(limit_bytes + 1)
    _check_size(len(whole), limit_bytes)
    return whole


def _check_size(size_bytes: int, limit_bytes: int) -> None:
    if size_bytes > limit_bytes:
        raise DataError(
            f"This compressed file expands to more than {limit_bytes // 2**20:,} MB; split it into smaller parts."
        )
