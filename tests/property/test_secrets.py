"""No part of a secret stays in a text, however the secret is written and wherever it is cut."""

from __future__ import annotations

import base64
import json
import textwrap
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from mayfly.scrubbing import scrub
from mayfly_instance.scrub import Scrubber
from mayfly_protocol.secret_shapes import remover, without_secrets

PART = 12
"""Characters of a secret that must not stay anywhere in a row."""
SIDES = {"control plane": scrub, "host": Scrubber()}
side = pytest.mark.parametrize("side", SIDES.values(), ids=SIDES.keys())

# ------------------------------------------------------------------ kinds of secrets

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORD = LETTERS + LETTERS.upper() + "0123456789"


def body(characters: str, least: int, most: int) -> st.SearchStrategy[str]:
    return st.text(characters, min_size=least, max_size=most)


def mixed(characters: str, size: int) -> st.SearchStrategy[str]:
    """Random text that has a capital, a small letter and a digit, as almost all keys have."""
    return body(characters, size - 3, size - 3).map(
        lambda text: f"A{text[: size // 2]}b7{text[size // 2 :]}"
    )


def prefixed(prefixes: str, characters: str, least: int, most: int) -> st.SearchStrategy[str]:
    return st.builds(
        "{}{}".format, st.sampled_from(prefixes.split()), body(characters, least, most)
    )


BASE64 = WORD + "+/"
TOKENS = st.one_of(
    prefixed(
        "bkct_ bkcqt_ bkar_ bkaa_ bkaj_ bkjat_ bkua_ bkur_ bktx_ bkpt_ bkrt_ bktr_ bkat_ bkpat_"
        " bkps_",
        WORD + "_-",
        24,
        120,
    ),
    prefixed("bknew_ bkq_", WORD + "_-", 24, 60),
    st.builds(
        "eyJ{}.eyJ{}.{}".format, body(WORD, 17, 40), body(WORD, 17, 90), body(WORD + "-_", 43, 86)
    ),
    prefixed("ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", WORD, 36, 82),
    prefixed("glpat- gldt- glrt- glcbt- glptt- glsoat-", WORD + "-_", 20, 30),
    prefixed("xoxb- xoxp- xoxa- xoxe.xoxp-", WORD + "-", 24, 60),
    prefixed("AKIA ASIA", LETTERS[:].upper() + "234567", 16, 16),
)
KEYS = st.one_of(mixed(BASE64, 40), mixed(BASE64, 356), mixed(BASE64, 700))
"""An AWS secret access key, and session tokens."""
PEM = st.builds(
    "-----BEGIN {0}-----\n{1}\n-----END {0}-----".format,
    st.sampled_from(
        [
            "RSA PRIVATE KEY",
            "PRIVATE KEY",
            "EC PRIVATE KEY",
            "OPENSSH PRIVATE KEY",
            "PGP PRIVATE KEY BLOCK",
        ]
    ),
    mixed(BASE64, 600).map(lambda text: textwrap.fill(text, 64, break_long_words=True)),
)
SECRETS = st.one_of(TOKENS, KEYS, PEM)

# ------------------------------------------------------------------ how a secret is written

PASSWORDS = body(WORD + "!$&()*+,;=~^-_.", PART, 60)
"""Secrets without a shape, which only their place tells."""


def basic(secret: str) -> str:
    return base64.b64encode(f"x-access-token:{secret}".encode()).decode()


WRITTEN: dict[str, Callable[[str], str]] = {
    "plain": str,
    "JSON": lambda text: json.dumps({"message": f"line one\n{text}\nline three"}),
    "JSON in JSON": lambda text: json.dumps({"body": json.dumps({"message": f"one\n{text}\ntwo"})}),
    "JSON with escaped slashes": lambda text: json.dumps(f"one\n{text}").replace("/", "\\/"),
    "JSON with escaped signs": lambda text: (
        json.dumps(text).replace("/", "\\u002f").replace("+", "\\u002B")
    ),
    "repr": lambda text: repr([f"one\n{text}"]),
    "repr of bytes": lambda text: repr(f"one\n{text}".encode()),
    "URL": lambda text: f"https://example.org/?q=1&key={quote(text, safe='')}&r=2",
    "form": lambda text: f"a=b&key={quote_plus(text)}&c=d",
    "basic authentication": lambda text: f"sent {basic(text)} to it",
    "userinfo": lambda text: f"https://x:{quote(text, safe='')}@example.org/acme.git",
    "terminal": lambda text: f"\x1b[31m{text}\x1b[0m",
}
PLACES: dict[str, Callable[[str], str]] = {
    "header": "Authorization: Bearer {}".format,
    "header in JSON": lambda text: json.dumps({"Authorization": f"Basic {text}"}),
    "header in JSON in JSON": lambda text: json.dumps(
        json.dumps({"authorization": f"Token {text}"})
    ),
    "headers in Python": lambda text: repr({"Authorization": text}),
    "headers as pairs": lambda text: repr([("Authorization", f"Bearer {text}"), ("Host", "x")]),
    "headers as bytes": lambda text: repr({b"Authorization": f"Basic {text}".encode()}),
    "list of values": lambda text: json.dumps({"authorization": [text]}),
    "environment": "AWS_SESSION_TOKEN={}".format,
    "configuration": "aws_secret_access_key = {}".format,
    "query": "X-Amz-Security-Token={}".format,
    "XML": "<SecretAccessKey>{}</SecretAccessKey>".format,
    "password": 'password: "{}"'.format,
    "Docker": lambda text: json.dumps({"auths": {"x": {"auth": basic(text)}}}),
    "git": "https://git:{}@example.org/acme/x.git".format,
    "git in JSON": lambda text: json.dumps(f"https://git:{text}@example.org/x").replace("/", "\\/"),
    "token in place of a user": "https://{}@example.org/acme/x.git".format,
    "basic authentication": lambda text: f"-> {basic(text)}",
}
SIGNED = (
    "Authorization: AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20260302/eu-1/s3/aws4_request,"
    " SignedHeaders=host;x-amz-date, Signature={0}\r\nX-Amz-Security-Token: {1}\r\n"
    "https://b.s3.amazonaws.com/k?X-Amz-Signature={0}&X-Amz-Security-Token={1}&x=1"
)
BEFORE = st.sampled_from(["", " ", "the agent said: ", "x=", "(", "['", "é ", "line\n", "a\t"])
AFTER = st.sampled_from(["", " ", ".", " and went on", ")", "']", "\nnext line of the log", "\r\n"])


def remains(secret: str, text: str) -> str:
    """The first part of the secret that can still be read; empty for none."""
    looked = text.replace("\\/", "/").replace("\\u002f", "/").replace("\\u002B", "+")
    plain = "".join(looked.split()).replace("\\n", "")
    bare = "".join(secret.split())
    # Base64 of the user's name alone has 20 characters.
    for form in (bare, quote(bare, safe=""), basic(secret)[20:]):
        for at in range(max(1, len(form) - PART + 1)):
            if (part := form[at : at + PART]) in plain:
                return part
    return ""


# ------------------------------------------------------------------ the properties


@side
@pytest.mark.parametrize("way", WRITTEN.values(), ids=WRITTEN.keys())
@given(secret=SECRETS, before=BEFORE, after=AFTER)
@settings(max_examples=20, deadline=None)
def test_a_secret_with_a_shape_is_removed_however_it_is_written(
    side: Callable[[str], str],
    way: Callable[[str], str],
    secret: str,
    before: str,
    after: str,
) -> None:
    text = f"{before}{way(secret)}{after}"
    scrubbed = side(text)
    # The headings of a PEM block are no secret, and a place's own words are none either.
    inner = "\n".join(line for line in secret.splitlines() if not line.startswith("-----"))
    assert remains(inner, scrubbed) == "", scrubbed


@side
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
@given(secret=PASSWORDS, before=BEFORE, after=AFTER)
@example(secret="correct-horse-battery-staple", before="", after="\nnext")
@settings(max_examples=20, deadline=None)
def test_a_secret_without_a_shape_is_removed_from_the_places_of_secrets(
    side: Callable[[str], str],
    place: Callable[[str], str],
    secret: str,
    before: str,
    after: str,
) -> None:
    assume(not remains(secret, f"{before}{place('')}{after}"))
    scrubbed = side(f"{before}{place(secret)}{after}")
    assert remains(secret, scrubbed) == "", scrubbed


@side
@given(secret=TOKENS, token=mixed(BASE64, 356), signature=body("0123456789abcdef", 64, 64))
@settings(max_examples=30, deadline=None)
def test_a_signed_request_shows_neither_signature_nor_token(
    side: Callable[[str], str], secret: str, token: str, signature: str
) -> None:
    scrubbed = side(SIGNED.format(signature, quote(token, safe="")) + f"\nX-Vault: {secret}")
    assert [remains(each, scrubbed) for each in (secret, token, signature)] == [""] * 3, scrubbed
    assert "ASIAIOSFODNN7EXAMPLE" not in scrubbed


BREAKS = ["\n", "\r\n", "\n    ", "\\n", "%0A"]


@side
@pytest.mark.parametrize("line_break", BREAKS, ids=map(repr, BREAKS))
@given(
    secret=st.one_of(TOKENS.filter(lambda text: "AKIA" not in text and "ASIA" not in text), KEYS),
    width=st.integers(60, 120),
    named=st.booleans(),
)
@settings(max_examples=20, deadline=None)
def test_a_secret_that_is_wrapped_at_the_end_of_a_line_is_removed(
    side: Callable[[str], str], line_break: str, secret: str, width: int, named: bool
) -> None:
    whole = f"AWS_SECRET_ACCESS_KEY={secret}" if named else secret
    # At least eight characters: fewer cannot be told from the next line's word.
    assume(len(whole) % width == 0 or len(whole) % width >= 8)
    wrapped = line_break.join(whole[at : at + width] for at in range(0, len(whole), width))
    scrubbed = side(f"it said\n{wrapped}\nand no more")
    assert remains(secret, scrubbed.replace(line_break, "")) == "", scrubbed
    assert "it said" in scrubbed


@side
@given(pem=PEM, start=st.integers(30, 640), end=st.integers(40, 600))
@settings(max_examples=40, deadline=None)
def test_a_private_key_that_was_cut_is_removed(
    side: Callable[[str], str], pem: str, start: int, end: int
) -> None:
    """Two ends of one block in two texts: of a log that was cut, or of two writes."""
    inner = "".join(line for line in pem.splitlines() if not line.startswith("-----"))
    assert remains(inner, side(f"key:\n{pem[:end]}")) == ""
    # From the beginning of a line on: what is cut within one is left out by whoever cuts.
    rest = pem[pem.find("\n", start) + 1 :]
    assert remains(inner, side(f"{rest}\nit went on")) == ""


VALUES = body(WORD + "!#$%&'()*+,-./:;<=>?@[]^_{|}~\" \\é", PART, 80)


@pytest.mark.parametrize("way", WRITTEN.values(), ids=WRITTEN.keys())
@given(secret=VALUES, before=BEFORE, after=AFTER)
@settings(max_examples=15, deadline=None)
def test_a_secret_that_is_known_by_its_value_is_removed_however_it_is_written(
    way: Callable[[str], str], secret: str, before: str, after: str
) -> None:
    scrub = Scrubber()
    scrub.learn(secret)
    scrubbed = scrub(f"{before}{way(secret)}{after}")
    assert secret not in scrubbed
    assert way(secret) not in scrubbed


@given(secret=mixed(WORD, 40), at=st.integers(1, 39), line_break=st.sampled_from(BREAKS))
def test_a_secret_that_is_known_by_its_value_is_removed_from_wrapped_lines(
    secret: str, at: int, line_break: str
) -> None:
    text = f"a {secret[:at]}{line_break}{secret[at:]} b"
    assert without_secrets(text, "…", [remover(secret)]) == "a … b"


def test_of_two_known_secrets_the_longer_one_is_removed_whole() -> None:
    scrub = Scrubber()
    scrub.learn("short-secret", "short-secret-and-more")
    assert scrub("it is short-secret-and-more") == "it is [secret]"


STRANGE = [
    "A1b" * 20000,
    "eyJ" * 20000,
    "bkct_aaaa\n" * 6000,
    "-----BEGIN " * 6000,
    "-----BEGIN PRIVATE KEY-----\n" * 2400,
    "-----END PRIVATE KEY-----\n" * 2400,
    "://a:" * 12000,
    "https://" * 8000,
    "%3A%2F%2F" * 7000,
    "%2F" * 20000,
    'password="' * 6500,
    "password=" * 7000,
    ("authorization" + " " * 5000) * 13,
    "\\" * 65000,
    "\n" * 65000,
    "\\n" * 32000,
    ("Ab1" * 21 + "\n") * 1000,
]


@pytest.mark.parametrize("text", STRANGE, ids=[text[:24] for text in STRANGE])
def test_no_text_takes_long(text: str) -> None:
    """A text of 64 KB, the longest that a host keeps, takes a tenth of a second at most."""
    began = time.process_time()
    without_secrets(text, "…", [remover("A1" * 500)])
    assert time.process_time() - began < 2
