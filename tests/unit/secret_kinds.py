"""A secret of every kind that may come near a log."""

from __future__ import annotations

JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiI2YTFlIn0.c2lnbmF0dXJlLW9mLWl0"
BODY = "Zq3-x_9Kd0.LmN4pQrStUvWxYz01234"
PREFIXES = "bkct bkcqt bkar bkaa bkaj bkjat bkua bkur bktx bkpt bkrt bktr bkat bkpat bkps"
SECRETS = {
    **{prefix: f"{prefix}_{BODY}" for prefix in PREFIXES.split()},
    "prefixed jwt": f"bkjat_{JWT}",
    "jwt": JWT,
    "aws secret key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "aws session token": "IQoJb3JpZ2luX2VjE" + "Ab9/+" * 60 + "==",
    "old agent token": "0123456789abcdef0123456789abcdef01234567",
}


def fail_twice(secret: str) -> None:
    """Raise a KeyError for a ValueError, both of which tell the secret."""
    try:
        int(secret)
    except ValueError as cause:
        raise KeyError(f"because of {secret}") from cause
