"""What a job is given besides its machine: whether the job may have it, and what it is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mayfly.answers import Parameter
from mayfly.config.queue import QueueConfig
from mayfly.dispatch.policy import Denial, Unread, denial_of
from mayfly.dispatch.roles import choose
from mayfly_protocol import access
from mayfly_protocol.grants import Grants, Secrets, SshHosts
from mayfly_protocol.job_facts import JobFacts

LARGEST_FACTS = 30_000
"""Bytes of all facts about a job. Claim and assignment hold them, and many claims go into one
transaction of DynamoDB, which takes 4 MB."""
LONGEST_NAME = 700
"""Characters of a list's name. SSM takes 1,011 with the ARN in front, and refuses a call for ten
names whole when one of them is longer."""


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists of pipelines and teams beside the secrets that a job would get."""

    texts: Mapping[str, str] = field(default_factory=dict)
    """By full name: the lists that exist."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """By full name, in the order of the folders: why a list cannot be read; empty where nobody
    knows."""


def list_names(config: QueueConfig, facts: JobFacts) -> tuple[str, ...]:
    """Full names of the lists that may exist for the job; none where the queue has no secrets."""
    if config.secrets_path is None or _unusable(config, facts):
        return ()
    return access.list_names(config.secrets_path, facts)


def lists_of(names: Iterable[str], values: Mapping[str, Parameter | None]) -> Lists:
    """The lists with these names, from what could be read of them."""
    texts, unread = {}, {}
    for name in names:
        if name not in values:
            unread[name] = ""
        elif (found := values[name]) is not None and found.kind != "String":
            # A StringList has another separator, and a SecureString is not decrypted here.
            unread[name] = f"it is a {found.kind}; make it a String"
        elif found is not None:
            texts[name] = found.value
    return Lists(texts, unread)


def judge(config: QueueConfig, facts: JobFacts, lists: Lists) -> Denial | Unread | None:
    """None when the job may have what the queue gives; else why the job is denied, or waits.

    A list that can be read denies the job whatever the unreadable ones say.
    """
    if not config.has_grants:
        return None
    seen = facts.conditions()
    if why := _unusable(config, facts):
        return denial_of(config, seen, why, "Shorten it, or run the job on another queue.")
    if why := access.denial(lists.texts, facts):
        remedy = "Ask those who own the list to add it, or run the job on another queue."
        return denial_of(config, seen, why, remedy, teams=facts.teams)
    for name, kind in lists.unread.items():
        return Unread(f"{name} cannot be read at present{kind and ': '}{kind}", name)
    if why := choose(config, facts).refused:
        remedy = "Ask those who own the roles of the queue, or run the job on another queue."
        return denial_of(config, seen, why, remedy)
    return None


def is_unjudged(config: QueueConfig, facts: JobFacts | None) -> bool:
    """Whether nobody has judged what the job of a claim may have: the queue gave nothing then."""
    return config.has_grants and facts is None


def denial(config: QueueConfig, facts: JobFacts | None) -> Denial | None:
    """The denial of a claim by the present role lines; lists are read once, at the opening."""
    found = judge(config, facts, Lists()) if facts is not None else None
    return found if isinstance(found, Denial) else None


def given(config: QueueConfig, facts: JobFacts | None) -> Grants | None:
    """What the job of a claim is given, which is judged and not denied; None for nothing."""
    if not config.has_grants or facts is None:
        return None
    choice, secrets = choose(config, facts), None
    if config.secrets_path is not None:
        secrets = Secrets(config.secrets_path, config.shared_ssh_keys, config.ssh_during_command)
    ssh = SshHosts(config.known_hosts, config.over_443)
    return Grants(facts, secrets, ssh, choice.role, choice.no_role)


def _unusable(config: QueueConfig, facts: JobFacts) -> str:
    """Why no record, or no call to SSM, can hold the facts; empty for usable ones."""
    texts = (*facts.conditions().values(), facts.organization, facts.build, *facts.teams)
    try:
        size = sum(len(each.encode()) for each in texts)
    except UnicodeEncodeError:
        return "a fact about it has half a character"
    if size > LARGEST_FACTS:
        return f"the facts about it have more than {LARGEST_FACTS:,} bytes"
    path = config.secrets_path
    if path is not None and max(map(len, access.list_names(path, facts))) > LONGEST_NAME:
        return "the name of its pipeline or repository is too long for a folder of secrets"
    return ""
