"""Pack the host's packages into one archive: same sources, same bytes, on any machine.

`python3 bundle.py FILE` writes the archive, for `sam build` and `make bundle`. This file lies here
because `sam build` sees only the layers' directory. The archive's SHA-256 is a literal in
template.yaml; hosts check the archive against it.
"""

import io
import struct
import sys
import tarfile
import zlib
from pathlib import Path

PACKAGES = ("instance/mayfly_instance", "protocol/mayfly_protocol")
"""Paths below the layers' directory. The archive holds the packages side by side."""
_STORED_BLOCK = 0xFFFF


def archive(layers: Path) -> bytes:
    """The bytes of a .tar.gz with all PACKAGES below `layers`."""
    return _gzip(_tar([layers / package for package in PACKAGES]))


def _tar(packages: list[Path]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for package in packages:
            for path in _members(package):
                entry = tarfile.TarInfo(path.relative_to(package.parent).as_posix())
                content = path.read_bytes()
                entry.size = len(content)
                # Of a file's mode only the owner's execute bit is equal in all checkouts.
                entry.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
                tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _members(package: Path) -> list[Path]:
    """A package's files in a fixed order; hidden files, .pyc and py.typed are omitted."""
    files = (path for path in package.rglob("*") if path.is_file())
    return sorted(
        path
        for path in files
        if path.suffix != ".pyc" and path.name != "py.typed" and not path.name.startswith(".")
    )


def _gzip(content: bytes) -> bytes:
    """The content as gzip with stored blocks: compressed bytes differ between versions of zlib.

    The layer's zip compresses the archive anyway. Format: RFC 1952 around RFC 1951, block type 00.
    """
    blocks = [content[at : at + _STORED_BLOCK] for at in range(0, len(content), _STORED_BLOCK)]
    body = b"".join(
        struct.pack("<BHH", at == len(blocks) - 1, len(block), len(block) ^ 0xFFFF) + block
        for at, block in enumerate(blocks)
    )
    header = b"\x1f\x8b\x08\x00" + b"\x00" * 4 + b"\x00\xff"
    return header + body + struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF)


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(archive(Path(__file__).resolve().parent.parent))
