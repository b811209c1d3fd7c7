"""Key pairs of ssh, in memory alone: no file, argument or error of the tool has a private half."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KIND = "ssh-ed25519"
_LINE = re.compile(r"\s*([a-z0-9@.-]{3,60})\s+([A-Za-z0-9+/]{16,}={0,2})(?:\s|$)")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key. Two keys are equal if they are the same key, whatever comment they had."""

    kind: str
    content: str
    """The key in base64, as the second word of a line of authorized_keys."""

    @property
    def text(self) -> str:
        """The key as providers take it, without a comment."""
        return f"{self.kind} {self.content}"

    @property
    def fingerprint(self) -> str:
        """The fingerprint as ssh-keygen and the providers show it: `SHA256:` and base64."""
        digest = hashlib.sha256(base64.b64decode(self.content)).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def parse_public(text: str) -> PublicKey | None:
    """The public key of a line of authorized_keys; None for any other text."""
    found = _LINE.match(text)
    if found is None:
        return None
    try:
        base64.b64decode(found[2], validate=True)
    except binascii.Error:
        return None
    return PublicKey(found[1], found[2])


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An ed25519 pair. Its repr shows the public half alone."""

    public: PublicKey
    _private: Ed25519PrivateKey = field(repr=False, compare=False)

    @property
    def private_text(self) -> str:
        """The private half as ssh-add and ssh read it: OpenSSH's form, without a passphrase."""
        return self._private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        ).decode()

    def sign(self, content: bytes) -> bytes:
        """The signature of RFC 8032: 64 bytes."""
        return self._private.sign(content)


def generate() -> KeyPair:
    """A new pair, from the operating system's random numbers."""
    private = Ed25519PrivateKey.generate()
    return KeyPair(_public_of(private), private)


def public_of(private_text: str) -> PublicKey | None:
    """The public half of a private key without a passphrase; None for any other text."""
    content = private_text.encode()
    for load in (serialization.load_ssh_private_key, serialization.load_pem_private_key):
        try:
            return _public_of(load(content, password=None))
        # A passphrase is a TypeError. No error of theirs is shown: the text may be in it.
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
    return None


def _public_of(private: object) -> PublicKey:
    public = private.public_key()  # type: ignore[attr-defined]  # each kind has its own class
    line = public.public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    ).decode()
    kind, content, *_ = line.split()
    return PublicKey(kind, content)
