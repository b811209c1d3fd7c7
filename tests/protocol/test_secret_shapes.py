"""Neither side shows a secret of any kind: the control plane in its logs, the host in its words."""

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
def test_every_kind_of_secret_is_taken_out_of_a_text(side: Side, secret: str, around: str) -> None:
    scrubbed, blank = side[0](around.format(secret)), side[1]
    assert blank in scrubbed
    assert secret[:12] not in scrubbed
    assert secret[-12:] not in scrubbed
    for part in secret.split("."):
        assert part not in scrubbed


@side
@pytest.mark.parametrize("secret", [text for text in SECRETS.values() if text.startswith("bk")])
def test_a_token_is_found_in_a_path(side: Side, secret: str) -> None:
    scrubbed = side[0](f"a/{secret}/b")
    assert secret[:12] not in scrubbed
    assert secret[-12:] not in scrubbed


@side
@pytest.mark.parametrize("secret", SHORT_TOKENS)
def test_a_short_token_is_one_where_its_prefix_is_known(side: Side, secret: str) -> None:
    assert side[0](f"agent said {secret}") == f"agent said {side[1]}"


@side
@pytest.mark.parametrize("around", [*LABELLED, '"Token":"{}"'])
def test_what_is_labelled_as_a_secret_is_one(side: Side, around: str) -> None:
    assert "wJalr" not in side[0](around.format("wJalr!but!of!no!known!shape"))


@side
@pytest.mark.parametrize("around", LABELLED)
def test_a_labelled_secret_may_be_short(side: Side, around: str) -> None:
    assert "short" not in side[0](around.format("short"))


@side
@pytest.mark.parametrize("text", NO_SECRETS)
def test_what_is_no_secret_stays_readable(side: Side, text: str) -> None:
    assert side[0](text) == text
