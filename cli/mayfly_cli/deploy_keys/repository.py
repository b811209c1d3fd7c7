"""The repository that a command names by its clone URL: folder, provider and ssh address. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from mayfly_cli.ends import UsageError
from mayfly_protocol.slugs import repository_slug


class Provider(StrEnum):
    """Who serves the repository."""

    GITHUB = "github"
    GITLAB = "gitlab"
    BITBUCKET = "bitbucket"
    BITBUCKET_SERVER = "bitbucket-server"


NAMES = {
    Provider.GITHUB: "GitHub",
    Provider.GITLAB: "GitLab",
    Provider.BITBUCKET: "Bitbucket",
    Provider.BITBUCKET_SERVER: "Bitbucket Server",
}
# The second addresses serve ssh at port 443. Sources: GitHub "Using SSH over the HTTPS port",
# GitLab "Alternative SSH port", Atlassian "Use the SSH protocol with Bitbucket Cloud".
_HOSTS = {
    "github.com": Provider.GITHUB,
    "ssh.github.com": Provider.GITHUB,
    "gitlab.com": Provider.GITLAB,
    "altssh.gitlab.com": Provider.GITLAB,
    "bitbucket.org": Provider.BITBUCKET,
    "altssh.bitbucket.org": Provider.BITBUCKET,
}
_USER = r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9._-]*)@)?"
_URL = re.compile(
    rf"(?P<scheme>ssh|https|http|git)://{_USER}(?P<host>[A-Za-z0-9.-]+)(?::(?P<port>\d+))?/(?P<path>.+)"
)
_SCP = re.compile(rf"{_USER}(?P<host>[A-Za-z0-9.-]+):(?P<path>.+)")
_NO_SSH = (
    "a deploy key works over ssh alone, and the URL does not say where ssh is: give the URL of ssh,"
    " and make it the pipeline's repository"
)


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository at a provider."""

    url: str
    """As it was given: what the pipeline has as its repository, too."""
    slug: str
    """The folder of its secrets below the queue's path."""
    host: str
    port: int | None
    parts: tuple[str, ...]
    """Owner and name, without `.git`; of GitLab all groups in front of the name."""
    ssh_url: str
    """The address at which a deploy key works."""

    @property
    def name(self) -> str:
        """Owner and name, as people write it."""
        return "/".join(self.parts)

    @property
    def by_ssh(self) -> bool:
        """Whether the URL that was given is the one of ssh."""
        return self.url == self.ssh_url


def repository(url: str) -> Repository:
    """The repository of a clone URL.

    Raises UsageError for a text that names no repository, that has a password, or that leaves the
    address of ssh open.
    """
    slug = repository_slug(url)
    found = (_URL if "://" in url else _SCP).fullmatch(url)
    if slug is None:
        raise UsageError(
            f"{_without_user(url)!r} is not a clone URL that has a folder of secrets: give it as "
            "git@host:owner/name.git or ssh://git@host/owner/name.git"
        )
    if found is None:
        raise UsageError(
            "the URL has a password or a token in it, which other users of this machine can see: "
            "give the URL of ssh, without it"
        )
    port = found.groupdict().get("port")
    parts = tuple(found["path"].strip("/").removesuffix(".git").split("/"))
    return Repository(
        url=url,
        slug=slug,
        host=found["host"].lower(),
        port=int(port) if port else None,
        parts=parts,
        ssh_url=_ssh_url(url, found, slug),
    )


def provider_of(found: Repository, named: str | None) -> Provider:
    """The named provider, or the one that the host belongs to.

    Raises UsageError for a host of its own without a name, and for a path that the provider's
    repositories cannot have.
    """
    known = _HOSTS.get(found.host)
    if known is None and found.host.endswith(".ghe.com"):
        known = Provider.GITHUB
    provider = known if named is None else Provider(named)
    if provider is None:
        raise UsageError(
            f"who serves {found.host}? Give --provider: {', '.join(Provider)}; and --api, where "
            "its API is not at the usual place of the same host"
        )
    if known is not None and provider is not known:
        raise UsageError(f"{found.host} is {NAMES[known]}, not {NAMES[provider]}")
    count = len(names_of(found, provider))
    if count < 2 or (count > 2 and provider is not Provider.GITLAB):
        raise UsageError(
            f"{found.name} is no repository of {NAMES[provider]}: its paths have an owner and a "
            "name"
        )
    if provider is Provider.BITBUCKET_SERVER and not found.by_ssh:
        raise UsageError(_NO_SSH)  # its ssh has a port of its own, 7999 where nobody changed it
    return provider


def names_of(found: Repository, provider: Provider) -> tuple[str, ...]:
    """Owner and name as the provider's API takes them."""
    parts = found.parts
    # Bitbucket Server clones over https below /scm, and over ssh without it.
    if provider is Provider.BITBUCKET_SERVER and len(parts) == 3 and parts[0] == "scm":
        return parts[1:]
    return parts


def api_of(found: Repository, provider: Provider) -> str:
    """The provider's usual API address for this host."""
    match provider:
        case Provider.GITHUB if found.host in {"github.com", "ssh.github.com"}:
            return "https://api.github.com"
        case Provider.GITHUB if found.host.endswith(".ghe.com"):
            return f"https://api.{found.host}"  # GitHub Enterprise Cloud with data residency
        case Provider.GITHUB:
            return f"https://{found.host}/api/v3"
        case Provider.GITLAB:
            return f"https://{found.host.replace('altssh.gitlab.com', 'gitlab.com')}/api/v4"
        case Provider.BITBUCKET:
            return "https://api.bitbucket.org/2.0"
        case Provider.BITBUCKET_SERVER:
            return f"https://{found.host}"


def _ssh_url(url: str, found: re.Match[str], slug: str) -> str:
    scheme = found.groupdict().get("scheme", "ssh")
    if scheme == "ssh":
        return url
    converted = f"git@{found['host']}:{found['path'].strip('/')}"
    if found["port"] or repository_slug(converted) != slug:
        raise UsageError(_NO_SSH)
    return converted


def _without_user(url: str) -> str:
    """The URL without user name and password, and of a length for one line."""
    shown = re.sub(r"//[^/@]*@", "//", url)
    return shown if len(shown) <= 200 else f"{shown[:200]}…"
