"""The host also removes secrets that it knows by value."""

from __future__ import annotations

from pathlib import Path

import pytest

from mayfly_instance.scrub import Scrubber
from tests.instance.fake_machine import Act
from tests.instance.worlds import World
from tests.protocol.secret_samples import SECRETS
from tests.unit.secret_kinds import fail_twice


def test_a_known_secret_is_removed_without_a_name_in_front() -> None:
    scrub = Scrubber()
    scrub.learn("wJalrXUtnFEMI", "")

    assert scrub("the key wJalrXUtnFEMI does not work") == "the key [secret] does not work"


def test_the_end_of_a_text_begins_with_a_whole_line(tmp_path: Path) -> None:
    """Of the half of a token, or of a key, nobody could tell that it is a secret."""
    log = tmp_path / "log"
    log.write_text("x " * 250 + "bkct_" + "Zq3x9Kd0" * 8 + "\nthe end\n")

    for size in range(1, 600):
        end = Scrubber().end_of(log, size)
        assert "Zq3x9Kd0" not in end
        assert end in ("x " * 250 + "[secret]\nthe end\n", "the end\n", "")
    assert Scrubber().end_of(log, 600).endswith(" [secret]\nthe end\n")


def test_an_exception_as_python_prints_it_has_no_secret(
    capsys: pytest.CaptureFixture[str],
) -> None:
    scrub = Scrubber()
    scrub.learn("wJalrXUtnFEMI")
    try:
        fail_twice("wJalrXUtnFEMI")
    except KeyError as error:
        error.add_note("Authorization: Bearer wJalr!but!of!no!known!shape")
        scrub.print_exception(type(error), error, error.__traceback__)

    told = capsys.readouterr().err
    assert "wJalr" not in told
    assert "Authorization: Bearer [secret]" in told


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
def test_nothing_that_people_read_of_a_host_shows_a_secret(
    world: World, tmp_path: Path, secret: str
) -> None:
    world.machine.acts["mayfly-job"] = Act(code=1, says=f"agent\nsaid {secret}\n")
    world.run()
    said = f'setting up\nexport KEY=\'{secret}\'\n{{"a": "b\\n{secret}"}}\n'
    failing = World(tmp_path / "second")
    failing.add_script(Act(code=3, says=said))
    failing.run()

    log = (failing.machine.places.logs / "bootstrap-script.log").read_text("utf-8")
    for text in (world.everything_readable(), failing.everything_readable(), log):
        assert secret not in text
    assert "setting up" in failing.last_report["words"]
    assert failing.phases[-1] == "failed"
