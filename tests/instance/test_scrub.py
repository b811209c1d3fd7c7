"""The host also removes secrets that it knows by value."""

from __future__ import annotations

from mayfly_instance.scrub import Scrubber


def test_a_known_secret_is_removed_without_a_name_in_front() -> None:
    scrub = Scrubber()
    scrub.learn("wJalrXUtnFEMI", "")

    assert scrub("the key wJalrXUtnFEMI does not work") == "the key [secret] does not work"
