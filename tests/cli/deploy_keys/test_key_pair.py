"""Key pairs as ssh-keygen knows them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from mayfly_cli.deploy_keys.key_pair import generate, parse_public, public_of

PAIR = generate()


def test_ssh_keygen_reads_both_halves_and_shows_the_same_fingerprint(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.touch(0o600)
    file.write_text(PAIR.private_text)
    said = subprocess.run(
        ["ssh-keygen", "-y", "-P", "", "-f", file], capture_output=True, text=True, check=True
    )
    assert said.stdout.split()[:2] == PAIR.public.text.split()
    public = tmp_path / "key.pub"
    public.write_text(PAIR.public.text)
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", public], capture_output=True, text=True, check=True
    )
    assert shown.stdout.split()[1] == PAIR.public.fingerprint


def test_each_pair_is_another_one() -> None:
    assert generate().public != PAIR.public


def test_no_text_of_a_pair_shows_its_private_half() -> None:
    assert "PRIVATE" not in f"{PAIR!r} {PAIR} {PAIR.public!r}"
    assert PAIR.private_text.split("\n")[1] not in repr(PAIR)


def test_a_signature_is_the_keys_own() -> None:
    blob = __import__("base64").b64decode(PAIR.public.content)
    Ed25519PublicKey.from_public_bytes(blob[-32:]).verify(PAIR.sign(b"content"), b"content")


def keygen(folder: Path, *options: str) -> str:
    file = folder / "made"
    subprocess.run(["ssh-keygen", "-q", *options, "-f", file], check=True)
    return file.read_text()


@pytest.mark.parametrize(
    "options",
    [
        ("-t", "ed25519", "-N", ""),
        ("-t", "rsa", "-b", "1024", "-N", ""),
        ("-t", "rsa", "-b", "1024", "-N", "", "-m", "PEM"),
        ("-t", "ecdsa", "-N", ""),
    ],
)
def test_the_public_half_of_each_kind_of_key_is_found(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    private = keygen(tmp_path, *options)
    assert public_of(private) == parse_public((tmp_path / "made.pub").read_text())


def test_a_key_with_a_passphrase_and_other_texts_have_no_public_half(tmp_path: Path) -> None:
    for text in (
        keygen(tmp_path, "-t", "ed25519", "-N", "a passphrase", "-a", "1"),
        "",
        "no key",
        PAIR.public.text,
        PAIR.private_text[:200],
    ):
        assert public_of(text) is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        pytest.param(PAIR.public.text, "ssh-ed25519", id="alone"),
        (f"  {PAIR.public.text} a comment with blanks\n", "ssh-ed25519"),
        ("ssh-rsa AAAAB3NzaC1yc2EAAAADAQ==", "ssh-rsa"),
        ("sk-ssh-ed25519@openssh.com AAAAB3NzaC1yc2EAAAADAQ==", "sk-ssh-ed25519@openssh.com"),
        ("ssh-rsa AAAAB3NzaC1yc2EAAAADAQ=", None),
        ("ssh-rsa", None),
        ("", None),
        ("ssh-rsa not base 64", None),
        ("options ssh-rsa AAAAB3NzaC1yc2EAAAADAQ==", None),
    ],
)
def test_a_public_key_is_read_from_a_line(text: str, kind: str | None) -> None:
    found = parse_public(text)
    assert (found and found.kind) == kind
