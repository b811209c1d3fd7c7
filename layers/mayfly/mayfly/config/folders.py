"""Which folders of Parameter Store may hold a queue's secrets, and which of IAM its jobs' roles."""

from __future__ import annotations

import re

LONGEST_SECRETS_PATH = 64
"""Characters; so long is the room in the inline policies of a role (stacks/queue.yaml)."""
LONGEST_ROLE_PATH = 128

_PARAMETERS = re.compile(r"(?:/[A-Za-z0-9_.-]+){1,11}")
# A name has at most 15 levels (SSM's API reference, PutParameter); four are left for what is below.
_ROLES = re.compile(r"(?:/[A-Za-z0-9_+=,.@-]+)+/")

_CONFIGURATION = re.compile(r"/mayfly[^/]*(?:/.*)?")
# Parameter Store keeps names that begin so for AWS, in any case.
_OF_AWS = re.compile(r"/(?:aws|ssm)[^/]*(?:/.*)?", re.IGNORECASE)
_TOKENS = "/buildkite/mayfly"


def why_no_secrets_path(path: str) -> str:
    """Why jobs of a queue may not have secrets from the folder `path`; empty where they may.

    Refused is whatever lies below, or is, or holds a folder of Mayfly's own or of AWS, and every
    text that could mean more than one folder.
    """
    if not _PARAMETERS.fullmatch(path) or len(path) > LONGEST_SECRETS_PATH:
        return (
            "not a folder of Parameter Store, such as /vendors/buildkite/deploy, without a slash at"
            f" the end, of at most {LONGEST_SECRETS_PATH} characters and 11 levels"
        )
    if _CONFIGURATION.fullmatch(path):
        return "Mayfly's own parameters lie there"
    if _OF_AWS.fullmatch(path):
        return "names that begin with aws or ssm belong to AWS"
    if is_within(_TOKENS, path) or is_within(path, _TOKENS):
        return f"agent tokens lie below {_TOKENS}"
    return ""


def why_no_job_role_path(path: str) -> str:
    """Why jobs of a queue may not have roles below `path`; empty where they may.

    A path of one slash would mean every role of every account.
    """
    if not _ROLES.fullmatch(path) or len(path) > LONGEST_ROLE_PATH:
        return (
            "not a path of roles, such as /ci/, with a slash at both ends, of at most"
            f" {LONGEST_ROLE_PATH} characters"
        )
    first = path.split("/")[1]
    if first == "mayfly":
        return "Mayfly's own roles lie there"
    if first in {"aws-reserved", "aws-service-role"}:
        return "roles there belong to AWS"
    return ""


def is_within(path: str, folder: str) -> bool:
    """Whether a folder of Parameter Store is the other folder, or lies below it."""
    return path == folder or path.startswith(f"{folder}/")
