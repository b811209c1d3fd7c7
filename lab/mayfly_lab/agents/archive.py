"""Packs the release archive of the agent, real or stand-in, for the lab's machines."""

from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from mayfly_lab import standin

_SOURCES = Path(standin.__file__).resolve().parent
_NAME = "buildkite-agent"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_INTERPRETER = b"#!/usr/bin/env python3\n"
_START = "import sys\nfrom standin.cli import main\nsys.exit(main(sys.argv[1:]))\n"


@dataclass(frozen=True)
class AgentArchive:
    """A `.tar.gz` with an executable `buildkite-agent` at its root."""

    path: Path
    sha256: str
    version: str
    """The version's number without a suffix, as a queue pins it, e.g. `3.83.1`."""
    stand_in: bool


def pack(target: Path, agent: Path | None = None) -> AgentArchive:
    """Write the archive of `agent`, or of the stand-in for None, to `target`.

    The same input gives the same bytes.

    Raises:
        OSError: the binary cannot be read or run.
        subprocess.CalledProcessError: `agent --version` fails.
    """
    content = agent.read_bytes() if agent else stand_in()
    target.parent.mkdir(parents=True, exist_ok=True)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo(_NAME)
        member.size, member.mode = len(content), 0o755
        archive.addfile(member, io.BytesIO(content))
    data = gzip.compress(packed.getvalue(), compresslevel=0, mtime=0)
    target.write_bytes(data)
    return AgentArchive(
        path=target,
        sha256=hashlib.sha256(data).hexdigest(),
        version=_version_of(agent) if agent else standin.VERSION.partition("-")[0],
        stand_in=agent is None,
    )


def stand_in() -> bytes:
    """The stand-in as the bytes of one executable file: a zip that Python runs."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for source in sorted(_SOURCES.glob("*.py")):
            _add(archive, f"standin/{source.name}", source.read_text(encoding="utf-8"))
        _add(archive, "__main__.py", _START)
    return _INTERPRETER + packed.getvalue()


def _add(archive: zipfile.ZipFile, name: str, text: str) -> None:
    archive.writestr(zipfile.ZipInfo(name, _EPOCH), text, zipfile.ZIP_DEFLATED)


def _version_of(agent: Path) -> str:
    said = subprocess.run(
        (agent, "--version"),
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
        start_new_session=True,
    )
    return said.stdout.split("version", 1)[-1].split("+")[0].strip()
