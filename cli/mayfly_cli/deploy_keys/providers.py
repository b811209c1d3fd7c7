"""The four providers' APIs of deploy keys.

Sources: GitHub REST "Deploy keys"; GitLab REST "Deploy keys API"; Bitbucket Cloud REST 2.0,
"Deployments", `deploy-keys`; Bitbucket Data Center REST, access keys of a repository
(`/rest/keys/latest/projects/{projectKey}/repos/{repositorySlug}/ssh`).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from mayfly.scrubbing import hide
from mayfly_cli.deploy_keys.explained import Words, explained
from mayfly_cli.deploy_keys.http import PAGES, Answer, Http, Token, basic_or_bearer, read_key
from mayfly_cli.deploy_keys.key_pair import PublicKey, parse_public
from mayfly_cli.deploy_keys.port import DeployKey, DeployKeys, Refused, Unsure
from mayfly_cli.deploy_keys.repository import NAMES, Provider, Repository, api_of, names_of

NEEDS: Mapping[Provider, str] = {
    Provider.GITHUB: "it needs the permission Administration (write) of this repository, or the "
    "scope repo of an owner's classic token",
    Provider.GITLAB: "it needs the scope api, and the role Maintainer of the project",
    Provider.BITBUCKET: "it needs the scope admin:repository:bitbucket (repository:admin of an "
    "access token), and its account the permission Admin of the repository",
    Provider.BITBUCKET_SERVER: "it needs the permission Repository admin",
}
VARIABLES: Mapping[Provider, str] = {
    Provider.GITHUB: "GITHUB_TOKEN",
    Provider.GITLAB: "GITLAB_TOKEN",
    Provider.BITBUCKET: "BITBUCKET_TOKEN",
    Provider.BITBUCKET_SERVER: "BITBUCKET_SERVER_TOKEN",
}
"""Environment variables with a token for the provider."""

_NEXT = re.compile(r'<[^<>?]*\?([^<>]*)>;\s*rel="next"')
"""RFC 8288, as GitHub writes it."""


def deploy_keys(
    provider: Provider, repository: Repository, token: Token, api: str | None
) -> DeployKeys:
    """The deploy keys of a repository, at `api` in place of the provider's usual address."""
    hide(token.value)
    kind = _KINDS[provider]
    http = Http(api or api_of(repository, provider), NAMES[provider], kind.authorization(token))
    words = Words(NAMES[provider], repository.name, token.source, NEEDS[provider])
    names = [quote(each, safe="~") for each in names_of(repository, provider)]
    return kind(http, words, kind.path_of(names))


@dataclass(frozen=True, slots=True)
class _Rest(ABC):
    """Deploy keys below one path of an API in JSON."""

    http: Http
    words: Words
    path: str
    first: ClassVar[str]
    """Query of the first page of the list."""

    @staticmethod
    @abstractmethod
    def path_of(names: Sequence[str]) -> str:
        """The path of the keys of the repository with these names, which are quoted."""

    @staticmethod
    def authorization(token: Token) -> Mapping[str, str]:
        """The headers that carry the token."""
        return {"Authorization": f"Bearer {token.value}"}

    @abstractmethod
    def body(self, title: str, public: PublicKey) -> Mapping[str, object]:
        """What is sent to register a key for reading alone."""

    @abstractmethod
    def read(self, found: Mapping[str, Any]) -> DeployKey:
        """A key as the API shows it."""

    @abstractmethod
    def values(self, answer: Answer) -> object:
        """The list in an answer."""

    @abstractmethod
    def following(self, answer: Answer) -> str:
        """The query of the next page; empty after the last one."""

    def all(self) -> Sequence[DeployKey]:
        """Every deploy key of the repository."""
        found: list[DeployKey] = []
        query = self.first
        for _ in range(PAGES):
            answer = self._asked("GET", f"{self.path}?{query}")
            values = self.values(answer)
            if not isinstance(values, list):
                raise Unsure(f"{self.words.provider} answers no list of keys: is --api right?")
            found += [read_key(each, self.read) for each in values]
            query = self.following(answer)
            if not query:
                return found
        raise Refused(f"{self.words.repository} has more than {len(found)} deploy keys")

    def add(self, title: str, public: PublicKey) -> DeployKey:
        """The key, registered."""
        answer = self._asked("POST", self.path, self.body(title, public))
        return read_key(answer.content, self.read)

    def remove(self, key: DeployKey) -> None:
        """Remove the key, which may be gone already."""
        answer = self.http.call("DELETE", f"{self.path}/{quote(key.id, safe='')}")
        if not answer.ok and answer.status != 404:
            raise explained(answer, self.words)

    def _asked(self, method: str, path: str, body: object = None) -> Answer:
        answer = self.http.call(method, path, body)
        if not answer.ok:
            raise explained(answer, self.words)
        return answer


class _GitHub(_Rest):
    """`/repos/{owner}/{repo}/keys`; a page is found by the header Link."""

    first = "per_page=100&page=1"

    @staticmethod
    def path_of(names: Sequence[str]) -> str:
        return f"repos/{'/'.join(names)}/keys"

    @staticmethod
    def authorization(token: Token) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {token.value}", "X-GitHub-Api-Version": "2022-11-28"}

    def body(self, title: str, public: PublicKey) -> Mapping[str, object]:
        return {"title": title, "key": public.text, "read_only": True}

    def read(self, found: Mapping[str, Any]) -> DeployKey:
        public = parse_public(str(found["key"]))
        return DeployKey(str(found["id"]), str(found["title"]), public, found["read_only"] is True)

    def values(self, answer: Answer) -> object:
        return answer.content

    def following(self, answer: Answer) -> str:
        found = _NEXT.search(answer.headers.get("Link", ""))
        return found[1] if found is not None else ""


class _GitLab(_Rest):
    """`/projects/{id}/deploy_keys`, where the id is the whole path of the project, quoted."""

    first = "per_page=100&page=1"

    @staticmethod
    def path_of(names: Sequence[str]) -> str:
        return f"projects/{'%2F'.join(names)}/deploy_keys"

    @staticmethod
    def authorization(token: Token) -> Mapping[str, str]:
        return {"PRIVATE-TOKEN": token.value}

    def body(self, title: str, public: PublicKey) -> Mapping[str, object]:
        return {"title": title, "key": public.text, "can_push": False}

    def read(self, found: Mapping[str, Any]) -> DeployKey:
        public = parse_public(str(found["key"]))
        return DeployKey(str(found["id"]), str(found["title"]), public, found["can_push"] is False)

    def values(self, answer: Answer) -> object:
        return answer.content

    def following(self, answer: Answer) -> str:
        page = answer.headers.get("X-Next-Page", "").strip()
        return f"per_page=100&page={page}" if page.isdigit() else ""


class _Bitbucket(_Rest):
    """`/repositories/{workspace}/{repo_slug}/deploy-keys`; its deploy keys never write."""

    first = "pagelen=100"

    @staticmethod
    def path_of(names: Sequence[str]) -> str:
        return f"repositories/{'/'.join(names)}/deploy-keys"

    @staticmethod
    def authorization(token: Token) -> Mapping[str, str]:
        return {"Authorization": basic_or_bearer(token)}

    def body(self, title: str, public: PublicKey) -> Mapping[str, object]:
        return {"label": title, "key": public.text}

    def read(self, found: Mapping[str, Any]) -> DeployKey:
        public = parse_public(str(found["key"]))
        return DeployKey(str(found["id"]), str(found["label"]), public, read_only=True)

    def values(self, answer: Answer) -> object:
        return answer.content.get("values") if isinstance(answer.content, Mapping) else None

    def following(self, answer: Answer) -> str:
        # The address of the next page is opaque, but its query belongs to this list alone.
        return str(answer.content.get("next") or "").partition("?")[2]


class _BitbucketServer(_Rest):
    """Access keys with the permission REPO_READ."""

    first = "limit=100&start=0"

    @staticmethod
    def path_of(names: Sequence[str]) -> str:
        project, name = names
        return f"rest/keys/latest/projects/{project}/repos/{name}/ssh"

    @staticmethod
    def authorization(token: Token) -> Mapping[str, str]:
        return {"Authorization": basic_or_bearer(token)}

    def body(self, title: str, public: PublicKey) -> Mapping[str, object]:
        return {"key": {"text": public.text, "label": title}, "permission": "REPO_READ"}

    def read(self, found: Mapping[str, Any]) -> DeployKey:
        key = found["key"]
        return DeployKey(
            str(key["id"]),
            str(key.get("label") or ""),
            parse_public(str(key["text"])),
            found["permission"] == "REPO_READ",
        )

    def values(self, answer: Answer) -> object:
        return answer.content.get("values") if isinstance(answer.content, Mapping) else None

    def following(self, answer: Answer) -> str:
        start = answer.content.get("nextPageStart")
        last = answer.content.get("isLastPage") is not False or not isinstance(start, int)
        return "" if last else f"limit=100&start={start}"


_KINDS: Mapping[Provider, type[_Rest]] = {
    Provider.GITHUB: _GitHub,
    Provider.GITLAB: _GitLab,
    Provider.BITBUCKET: _Bitbucket,
    Provider.BITBUCKET_SERVER: _BitbucketServer,
}
