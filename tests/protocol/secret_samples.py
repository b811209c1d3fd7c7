"""Samples of every secret that is recognised by shape, and of harmless texts that look similar."""

from __future__ import annotations

JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiI2YTFlIn0.c2lnbmF0dXJlLW9mLWl0"
BODY = "Zq3-x_9Kd0.LmN4pQrStUvWxYz01234"
AWS_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
PREFIXES = "bkct bkcqt bkar bkaa bkaj bkjat bkua bkur bktx bkpt bkrt bktr bkat bkpat bkps"
SECRETS = {
    **{prefix: f"{prefix}_{BODY}" for prefix in PREFIXES.split()},
    "cluster token": "bkct_" + "A" * 24,
    "agent token": "bkat_" + "a-_.9" * 10,
    "long job token": "bkaj_" + "eyJhbGciOi.eyJzdWIi.c2ln" * 80,
    "acquisition token": "bkjat_" + "Zz09-_" * 6,
    "user token": "bkua_" + "f" * 40,
    "access token longer than any": "bkaa_" + "f" * 3000,
    "padded": "bkct_" + "A" * 24 + "==",
    "prefix to come": "bkzzzz_" + "A" * 24,
    "prefixed jwt": f"bkjat_{JWT}",
    "jwt": JWT,
    "aws secret key": AWS_KEY,
    "aws key id": "ASIA" + "IOSFODNN7EXAMPLE",
    "github token": "ghp_" + "Zq3x9Kd0LmN4pQrStUvWxYz012345678abcd",
    "github app's token": "ghs_" + "Zq3x9Kd0LmN4pQrStUvWxYz012345678abcd",
    "github fine-grained token": "github_pat_" + "11ABCDEFG0" * 8,
    "gitlab token": "glpat-" + "Zq3x-9Kd0_LmN4pQrStU",
    "gitlab deploy token": "gldt-" + "Zq3x-9Kd0_LmN4pQrStU",
    "slack bot token": "xoxb-" + "123456789012-Zq3x9Kd0LmN4pQrStUvWxYz0",
    "slack app token": "xapp-" + "1-A0123456789-1234567890123-0123456789abcdef",
    "aws session token": "IQoJb3JpZ2luX2VjE" + "Ab9/+" * 60 + "==",
}
"""Secrets by kind."""

SHORT_TOKENS = ("bkct_abcd", "bkaa_0123456789abcdef")
"""Tokens with a known prefix and a body shorter than Buildkite's."""

LABELLED = (
    "AWS_SECRET_ACCESS_KEY={}",
    'export AWS_SESSION_TOKEN="{}"',
    '"SecretAccessKey" : "{}",',
    "X-Amz-Security-Token: {}",
    "AWS_SECURITY_TOKEN={}",
    "X-Amz-Security-Token={}&x=1",
    "aws_secret_access_key = {}",
    "'SessionToken': '{}'",
    "Authorization: Token {}",
    "{{'Authorization': 'Bearer {}'}}",
)
"""Texts in which a name marks the value as secret, whatever the value's shape."""

NO_SECRETS = (
    "commit 4bf1f2dd4ac6a5f6d0a4d1d5f1c9f1c0a9b8c7d6",
    "commit 0123456789abcdef0123456789abcdef01234567",
    "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "launch 0123456789abcdef0123456789abcdef of i-0123456789abcdef0",
    "arn:aws:iam::123456789012:instance-profile/mayfly/ci/sandbox/deploy/ci-SandboxProfile-1A2B",
    "6a1e1b1e-0000-4000-8000-0123456789ab is scheduled",
    "layers/mayfly/mayfly/adapters/stacks_calls",
    "AROASANDBOXAAAAAAAAAA:i-0123456789abcdef0",
    "bk_ is no token",
    "fetching bk_builds_of_everything_that_was_ever_built",
    "token expired after 300 s",
    "token: none",
    "book_keeping_of_many_many_many_things",
)
