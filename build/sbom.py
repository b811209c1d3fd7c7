"""`python -m build.sbom CYCLONEDX_PY FILE`: writes a CycloneDX bill of what a deployment ships.

The packages of the dependencies layer come from its lock by cyclonedx-py, with the SHA-256 of every
file that the lock accepts. Our own packages are added, each with the SHA-256 of its files.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from build.blocks import ROOT
from build.embed import bundle_sha256

LOCK = "layers/dependencies/requirements.txt"
PACKAGES = {
    "mayfly": "layers/mayfly/mayfly",
    "mayfly_protocol": "layers/protocol/mayfly_protocol",
    "mayfly_instance": "layers/instance/mayfly_instance",
    "functions": "functions",
}
"""Our own packages, by name: their folders."""
BUNDLE = "mayfly-instance.tar.gz"


def version() -> str:
    """Mayfly's version, from the project file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"])


def tree_sha256(folder: Path) -> str:
    """SHA-256 over the lines `digest  path` of a folder's sources, as sha256sum prints them."""
    lines = (
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".pyc" and not path.name.startswith(".")
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def bill(of_lock: dict[str, Any]) -> dict[str, Any]:
    """The bill of a deployment, from cyclonedx-py's bill of the lock."""
    components = [_without_line(each) for each in of_lock["components"]]
    whole = {**of_lock, "components": [*components, *_own()]}
    root = {"bom-ref": "mayfly", "type": "application", "name": "mayfly", "version": version()}
    whole["metadata"] = {**of_lock.get("metadata", {}), "component": root}
    refs = [each["bom-ref"] for each in whole["components"]]
    whole["dependencies"] = [{"ref": "mayfly", "dependsOn": refs}, *({"ref": r} for r in refs)]
    return whole


def _without_line(component: dict[str, Any]) -> dict[str, Any]:
    """The component without the lock's line, which names the same hashes once more."""
    return {name: value for name, value in component.items() if name != "description"}


def _own() -> Iterator[dict[str, Any]]:
    for name, folder in PACKAGES.items():
        yield _component(name, tree_sha256(ROOT / folder), "over all sources of the package")
    yield _component(BUNDLE, bundle_sha256(), "of the archive that hosts fetch")


def _component(name: str, digest: str, meaning: str) -> dict[str, Any]:
    return {
        "bom-ref": f"mayfly:{name}",
        "type": "application" if name == BUNDLE else "library",
        "name": name,
        "version": version(),
        "description": f"SHA-256 {meaning}",
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }


def write(cyclonedx: Path, target: Path) -> None:
    """Write the bill. Raises CalledProcessError where cyclonedx-py fails."""
    options = ["requirements", "--output-reproducible", "--of", "JSON", "--sv", "1.6"]
    made = subprocess.run(
        [cyclonedx, *options, LOCK], cwd=ROOT, capture_output=True, text=True, check=True
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(bill(json.loads(made.stdout)), indent=2, sort_keys=True)
    target.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
