"""Where the judges' programs are. `make judges` fetches the missing ones into `.tools/judges`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FETCHED = ROOT / ".tools" / "judges"
MOCK = "ec2-metadata-mock"
MOCK_VERSION = "v1.13.0"
JARS = "MAYFLY_RULER_JARS"
"""The variable that names another folder with the jars of Event Ruler."""


class MissingToolError(Exception):
    """A judge cannot be asked on this machine; the message is the reason."""


def metadata_mock() -> Path:
    """AWS's metadata mock, of the version whose answers the tests hold.

    Raises:
        MissingToolError: no such program is there.
    """
    place = os.pathsep.join([str(FETCHED / "bin"), os.environ.get("PATH", "")])
    found = shutil.which(MOCK, path=place)
    if found is None:
        raise MissingToolError(f"no {MOCK} on PATH: `make judges` fetches it where Go is")
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
    built = (told.stdout + told.stderr).strip()
    if MOCK_VERSION not in built:
        raise MissingToolError(f"{found} is {built or 'of no version'}, not {MOCK_VERSION}")
    return Path(found)


def ruler() -> list[str]:
    """The command that starts `ruler/Matcher.java` beside AWS's Event Ruler.

    Raises:
        MissingToolError: no JDK, or no jars.
    """
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None:
        raise MissingToolError("no java with a compiler (JDK 11 or newer) on PATH")
    folder = Path(os.environ.get(JARS) or FETCHED / "jars")
    if not list(folder.glob("event-ruler-*.jar")):
        raise MissingToolError(f"no event-ruler in {folder}: `make judges` fetches it with Maven")
    source = Path(__file__).with_name("ruler") / "Matcher.java"
    return [java, "--class-path", f"{folder}/*", str(source)]
