"""A provider's refusal as a line for a person: why, and what to do. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mayfly_cli.deploy_keys.http import Answer
from mayfly_cli.deploy_keys.port import Refused, Taken

# GitHub: 422 "key is already in use". GitLab: 400 "has already been taken". Bitbucket: 400 "Someone
# has already added that access key to this repository". Bitbucket Server: 409.
_TAKEN = re.compile(r"\balready\b")


@dataclass(frozen=True, slots=True)
class Words:
    """How the lines of one provider name things."""

    provider: str
    repository: str
    token: str
    """Where the token comes from."""
    needs: str
    """Which scope and which role the token needs."""


def explained(answer: Answer, words: Words) -> Refused:
    """The refusal that an answer means; the answer is neither 2xx, 3xx nor 5xx."""
    said = f"{words.provider} answers {answer.said}"
    for found in (_limited, _single_sign_on, _two_factor, _archived, _switched_off):
        if meant := found(answer, words):
            return Refused(f"{said}: {meant}")
    if answer.status in {400, 409, 422} and _TAKEN.search(answer.text):
        return Taken(f"{said}: the key is registered already, here or at another repository")
    match answer.status:
        case 401:
            meant = (
                f"the token of {words.token} is wrong, has expired, or lacks a right: {words.needs}"
            )
        case 403:
            meant = f"the token of {words.token} lacks a right: {words.needs}"
        case 404:
            meant = (
                f"there is no repository {words.repository}, or the token of {words.token} may "
                f"not see it: {words.needs}"
            )
        case _:
            return Refused(said)
    return Refused(f"{said}: {meant}")


def _limited(answer: Answer, words: Words) -> str:
    # GitHub "Rate limits for the REST API": 403 or 429; GitLab and Bitbucket: 429.
    headers = answer.headers
    spent = headers.get("X-RateLimit-Remaining") == "0"
    if answer.status != 429 and not (
        answer.status == 403 and (spent or "rate limit" in answer.text)
    ):
        return ""
    after = headers.get("Retry-After", "")
    when = f"in {after} s" if after.isdigit() else "in a few minutes"
    return f"too many calls with the token of {words.token}; try again {when}"


def _single_sign_on(answer: Answer, words: Words) -> str:
    # GitHub "Authenticating to the REST API": `X-GitHub-SSO: required; url=…`, valid for an hour.
    found = re.fullmatch(r"required; url=(https://\S+)", answer.headers.get("X-GitHub-SSO", ""))
    if answer.status != 403 or not (found or "saml" in answer.text):
        return ""
    where = f" at {found[1]}" if found else ""
    return f"authorize the token of {words.token} for the organisation's single sign-on{where}"


def _two_factor(answer: Answer, words: Words) -> str:
    # GitHub sends the header where a password was given; owners can demand it at all providers.
    wanted = answer.headers.get("X-GitHub-OTP", "").startswith("required")
    named = re.search("two-factor|two-step|2fa|2sv", answer.text) is not None
    if answer.headers.get("X-Authentication-Denied-Reason", "").startswith("CAPTCHA"):
        return "log in once in a browser: too many logins have failed, and a captcha is asked for"
    if answer.status in {401, 403} and (wanted or named):
        return (
            f"the account of the token of {words.token} must switch on two-factor authentication, "
            "or a password was given in place of a token"
        )
    return ""


def _archived(answer: Answer, words: Words) -> str:
    if answer.status in {400, 403, 409, 422} and "archived" in answer.text:
        return f"{words.repository} is archived, so its deploy keys cannot change"
    return ""


def _switched_off(answer: Answer, words: Words) -> str:
    # GitHub "Restricting deploy keys in your organization".
    if answer.status in {403, 422} and re.search("deploy keys.*disabled", answer.text):
        return f"the owners of {words.repository} do not allow deploy keys"
    return ""
