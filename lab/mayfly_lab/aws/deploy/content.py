"""Packs the code of functions and layers as `sam build` does."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)
_NOT_SHIPPED = frozenset({"Makefile", "__pycache__", "ruff.toml"})


class BuildError(RuntimeError):
    """A layer cannot be built; the message contains make's output."""


def packed(folder: Path, prefix: str = "") -> bytes:
    """A reproducible zip of a folder's files, without `_NOT_SHIPPED`."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(folder)
            if path.is_file() and not _NOT_SHIPPED.intersection(relative.parts):
                entry = zipfile.ZipInfo(prefix + relative.as_posix(), _EPOCH)
                entry.external_attr = (0o755 if os.access(path, os.X_OK) else 0o644) << 16
                archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return content.getvalue()


def built(folder: Path, target: str) -> bytes:
    """A zip of a layer, built by the layer's Makefile as SAM's build method `makefile` does.

    Raises:
        BuildError: make failed.
    """
    with tempfile.TemporaryDirectory(prefix="mayfly-layer-") as scratch:
        artifacts, source = Path(scratch, "artifacts"), Path(scratch, "source")
        artifacts.mkdir()
        # A copy, as in SAM: a Makefile must not reach outside its folder.
        shutil.copytree(folder, source, ignore=shutil.ignore_patterns("__pycache__"))
        made = subprocess.run(
            ["make", "--silent", f"build-{target}", f"ARTIFACTS_DIR={artifacts}"],
            cwd=source,
            start_new_session=True,  # Ctrl-C ends the lab between steps, not a step halfway
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise BuildError(f"make build-{target} in {folder}: {made.stderr or made.stdout}")
        return packed(artifacts)
