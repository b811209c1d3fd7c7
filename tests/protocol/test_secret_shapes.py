"""Logs of the control plane and reports of the host show no secret of any kind."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mayfly.scrubbing import REDACTED, scrub
from mayfly_instance.scrub import Scrubber
from tests.protocol.secret_samples import LABELLED, NO_SECRETS, SECRETS, SHORT_TOKENS

Side = tuple[Callable[[str], str], str]
SIDES = {"control plane": (scrub, REDACTED), "host": (Scrubber(), "[secret]")}

side = pytest.mark.parametrize("side", SIDES.values(), ids=SIDES.keys())


@side
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "token {}.",
        "Token {}\n",
        "token={} x",
        "TOKEN={}\n",
        "https://x:{}@example.org/",
        '{{"token": "{}"}}',
        '{{"t":"{}"}}',
        "[{}]",
        "({}, 1)",
        "a\t{}",
        "a {} b",
    ],
)
def test_a_secret_of_any_kind_is_removed_from_any_text(
    side: Side, secret: str, around: str
) -> None:
    scrubbed, blank = side[0](around.format(secret)), side[1]
    assert blank in scrubbed
    assert secret[:12] not in scrubbed
    assert secret[-12:] not in scrubbed
    for part in secret.split("."):
        assert part not in scrubbed


@side
@pytest.mark.parametrize("secret", [text for text in SECRETS.values() if text.startswith("bk")])
def test_a_token_inside_a_path_is_removed(side: Side, secret: str) -> None:
    scrubbed = side[0](f"a/{secret}/b")
    assert secret[:12] not in scrubbed
    assert secret[-12:] not in scrubbed


@side
@pytest.mark.parametrize("secret", SHORT_TOKENS)
def test_a_short_token_with_a_known_prefix_is_removed(side: Side, secret: str) -> None:
    assert side[0](f"agent said {secret}") == f"agent said {side[1]}"


@side
@pytest.mark.parametrize("around", [*LABELLED, '"Token":"{}"'])
def test_a_value_under_the_name_of_a_secret_is_removed(side: Side, around: str) -> None:
    assert "wJalr" not in side[0](around.format("wJalr!but!of!no!known!shape"))


@side
@pytest.mark.parametrize("around", LABELLED)
def test_a_short_value_under_the_name_of_a_secret_is_removed(side: Side, around: str) -> None:
    assert "short" not in side[0](around.format("short"))


@side
@pytest.mark.parametrize("text", NO_SECRETS)
def test_a_text_without_a_secret_stays_unchanged(side: Side, text: str) -> None:
    assert side[0](text) == text
