"""Values that are known to be secret: removed however they are written, at little cost."""

from __future__ import annotations

import time

import pytest

from mayfly_protocol.secret_shapes import remover


@pytest.mark.parametrize(
    ("secret", "written"),
    [
        ("hunter-22-blue", "hunter-22-\n blue"),
        ("hunter/22/blue", r"hunter\/22\/blue"),
        ("hunter/22/blue", "hunter%2F22%2Fblue"),
        ("hunter/22/blue", "hunter%2F%0A22%2Fbl%0Aue"),
        ("nice\\nose\\news", "nice\\nose\\news"),
        ("nice\\nose\\news", "nice\\\\nose\\\\news"),
        ("nice\\nose\\news", "nice\\nose\\ne\nws"),
        ("%0Abc", "%0Abc"),
        ("p!$?*", "p!$?*"),
        ("ab", "ab"),
        ("two\nlines of it", "two\r\nlines of it"),
        ("two\nlines of it", r"two\nlines of it"),
    ],
)
def test_a_known_value_is_removed_however_it_is_written(secret: str, written: str) -> None:
    assert remover(secret)(f"a {written} b", "#") == "a # b"


def test_a_text_without_the_value_stays_as_it_is() -> None:
    assert remover("hunter/22/blue")("hunter 22 blue\nhunter", "#") == "hunter 22 blue\nhunter"


def test_hundreds_of_known_values_cost_a_text_without_them_little() -> None:
    """No pattern is compiled: that of a value of 8 KB would take a part of a second."""
    values = [f"{number:04}/" + "Zq3+x9Kd/0" * 800 for number in range(500)]
    began = time.process_time()
    removers = [remover(value) for value in values]
    assert all(remove("a line of a log", "#") == "a line of a log" for remove in removers)
    assert time.process_time() - began < 1
