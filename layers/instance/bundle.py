"""Pack what instances run into one archive: the same sources give the same bytes, on any machine.

`python3 bundle.py FILE` writes the archive, for `sam build` and for `make bundle`; it stands here
because `sam build` sees this directory alone. The archive's SHA-256 is a literal in template.yaml,
and hosts check it.
"""

import io
import struct
import sys
import tarfile
import zlib
from pathlib import Path

PACKAGE = "mayfly_instance"
_STORED_BLOCK = 0xFFFF


def archive(source: Path) -> bytes:
    """The archive of the package below `source`, as .tar.gz."""
    return _gzip(_tar(source))


def _tar(source: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in _members(source):
            entry = tarfile.TarInfo(path.relative_to(source).as_posix())
            content = path.read_bytes()
            entry.size = len(content)
            # Only the owner's execute bit is the same in every checkout.
            entry.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _members(source: Path) -> list[Path]:
    """The package's files in a fixed order, without what interpreters and editors leave behind."""
    files = (path for path in (source / PACKAGE).rglob("*") if path.is_file())
    return sorted(
        path
        for path in files
        if path.suffix != ".pyc" and path.name != "py.typed" and not path.name.startswith(".")
    )


def _gzip(content: bytes) -> bytes:
    """Gzip with stored blocks: zlib and its successors compress the same input to different bytes.

    The layer's own archive compresses it. Format: RFC 1952 around RFC 1951, block type 00.
    """
    blocks = [content[at : at + _STORED_BLOCK] for at in range(0, len(content), _STORED_BLOCK)]
    body = b"".join(
        struct.pack("<BHH", at == len(blocks) - 1, len(block), len(block) ^ 0xFFFF) + block
        for at, block in enumerate(blocks)
    )
    header = b"\x1f\x8b\x08\x00" + b"\x00" * 4 + b"\x00\xff"
    return header + body + struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF)


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(archive(Path(__file__).resolve().parent))
