"""Elements of answers that cannot be read: what the log says of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from mayfly.adapters.elements import Elements


class Messages(logging.Handler):
    """The messages of a logger."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message."""
        self.found.append(record.getMessage())


@pytest.fixture
def messages() -> Iterator[Messages]:
    """The log of elements, which pytest's report does not repeat: it takes no half of a pair."""
    log, messages = logging.getLogger("mayfly.adapters.elements"), Messages()
    log.handlers, log.propagate = [messages], False
    yield messages
    log.handlers, log.propagate = [], True


def test_a_name_with_half_of_a_surrogate_pair_can_be_logged(messages: Messages) -> None:
    elements = Elements()
    elements.note("association of \ud800", ValueError("\udfff is no id"))
    elements.read("job", [{"id": "half \ud800"}], lambda element: element["none"], name="id")
    assert [message.encode().decode() for message in messages.found] == [
        "association of \\ud800 cannot be read and is left out: ValueError: \\udfff is no id",
        "job half \\ud800 cannot be read and is left out: KeyError: 'none'",
    ]
