"""The files that a command writes at its end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mayfly_cli.ends import BrokenError
from mayfly_lab.report import document, picture
from mayfly_lab.report.result import Result


@dataclass(frozen=True, slots=True)
class Files:
    """The files that the options `--json` and `--html` name; None where an option is not given."""

    json: Path | None
    html: Path | None

    def write(self, result: Result) -> None:
        """Write the report into each file.

        Raises:
            BrokenError: a file cannot be written.
        """
        for option, path, form in (
            ("--json", self.json, document),
            ("--html", self.html, picture),
        ):
            if path is None:
                continue
            try:
                form.write(path, result)
            except OSError as error:
                raise BrokenError(f"{option}: {path}: {error.strerror}") from error
