"""The issuer of OIDC tokens, with an RSA key made at the first use and never stored."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

ALGORITHM = "RS256"
_BITS = 2048
_EXPONENT = 65537


class Issuer:
    """Signs JSON Web Tokens and publishes the keys to verify them (RFC 7515, 7517, 7518)."""

    def __init__(self) -> None:
        self.url = ""
        """The `iss` claim of every token; `/.well-known/openid-configuration` is below this URL."""

    def set_url(self, url: str) -> None:
        """Set the issuer URL for all following tokens."""
        self.url = url

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A signed token with these claims."""
        head = {"kid": self._key_id, "alg": ALGORITHM, "typ": "JWT"}
        text = f"{_encoded(_json(head))}.{_encoded(_json(claims))}"
        signature = self._key.sign(text.encode(), padding.PKCS1v15(), SHA256())
        return f"{text}.{_encoded(signature)}"

    def configuration(self) -> dict[str, Any]:
        """The discovery document (OpenID Connect Discovery 1.0, section 3)."""
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/.well-known/jwks",
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "response_types_supported": ["id_token"],
            "scopes_supported": ["openid"],
            "subject_types_supported": ["public"],
        }

    def keys(self) -> dict[str, Any]:
        """The public key as a JSON Web Key Set."""
        modulus, exponent = self._numbers
        key = {"kty": "RSA", "use": "sig", "alg": ALGORITHM, "kid": self._key_id}
        return {"keys": [{**key, "n": modulus, "e": exponent}]}

    @cached_property
    def _key(self) -> RSAPrivateKey:
        return rsa.generate_private_key(_EXPONENT, _BITS)

    @property
    def _key_id(self) -> str:
        return sha256("".join(self._numbers).encode()).hexdigest()

    @property
    def _numbers(self) -> tuple[str, str]:
        public = self._key.public_key().public_numbers()
        return _encoded(_bytes(public.n)), _encoded(_bytes(public.e))


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
