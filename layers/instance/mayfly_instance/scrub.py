"""Removal of secrets from console lines and reports."""

from __future__ import annotations

import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType
from typing import Callable

from mayfly_protocol.secret_shapes import remover, without_secrets

_BLANK = "[secret]"


class Scrubber:
    """Replaces secrets that are recognised by shape, and values that `learn` was given."""

    def __init__(self) -> None:
        self._known: dict[str, Callable[[str, str], str]] = {}
        self._learning = threading.Lock()

    def learn(self, *secrets: str) -> None:
        """Treat these values as secrets from now on."""
        with self._learning:
            # A new dictionary: another thread may be scrubbing by the old one.
            known = {each: remover(each) for each in secrets if each and each not in self._known}
            # The longest first: a secret may hold another one, and no part of it must remain.
            pairs = [*self._known.items(), *known.items()]
            self._known = dict(sorted(pairs, key=lambda pair: -len(pair[0])))

    def __call__(self, text: str) -> str:
        """The text without secrets. Scrub before cutting: half a token is a secret, too."""
        return without_secrets(text, _BLANK, self._known.values())

    def print_exception(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        """Print an exception with its causes as Python does, without secrets."""
        sys.stderr.write(self("".join(traceback.format_exception(kind, error, trace))))

    def end_of(self, file: Path, size: int) -> str:
        """The whole lines among the last `size` bytes of a text, without secrets.

        A line that begins before is left out: of half a token nobody can tell that it is one.
        Raises FileNotFoundError.
        """
        with file.open("rb") as text:
            skipped = text.seek(max(0, file.stat().st_size - size))
            content = text.read()
        if skipped:
            content = content.partition(b"\n")[2]
        return self(content.decode("utf-8", "replace"))
