"""The host knows secrets by their value, too."""

from __future__ import annotations

from mayfly_instance.scrub import Scrubber


def test_a_secret_that_is_known_is_not_shown_without_its_label() -> None:
    scrub = Scrubber()
    scrub.learn("wJalrXUtnFEMI", "")

    assert scrub("the key wJalrXUtnFEMI does not work") == "the key [secret] does not work"
