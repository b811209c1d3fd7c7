"""Verification of the emulator's OpenID Connect tokens by its public endpoints only."""

from __future__ import annotations

import base64
import json
from typing import Any

import requests
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256


def claims_of(token: str, issuer: str) -> dict[str, Any]:
    """The claims of a token, after verifying its signature with the issuer's published keys."""
    head, body, signature = token.split(".")
    found = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=5).json()
    keys = requests.get(found["jwks_uri"], timeout=5).json()["keys"]
    header = json.loads(_decoded(head))
    assert header["alg"] == "RS256"
    (key,) = [key for key in keys if key["kid"] == header["kid"]]
    numbers = RSAPublicNumbers(_number(key["e"]), _number(key["n"]))
    signed = f"{head}.{body}".encode()
    numbers.public_key().verify(_decoded(signature), signed, padding.PKCS1v15(), SHA256())
    claims: dict[str, Any] = json.loads(_decoded(body))
    assert claims["iss"] == found["issuer"] == issuer
    return claims


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _number(text: str) -> int:
    return int.from_bytes(_decoded(text), "big")
