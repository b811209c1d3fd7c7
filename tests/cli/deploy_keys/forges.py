"""Stand-ins of the providers' APIs over HTTP on loopback: strict on paths, headers, bodies, scopes.

Their forms and errors are those of the documents that `mayfly_cli.deploy_keys.providers` names, and
of errors that users of the APIs report.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import parse_qs, quote, urlsplit

TOKEN = "token-of-an-administrator"
READER = "token-that-may-only-read"
PAGE = 2
"""Keys of a page: few, so that tests see several pages."""


@dataclass
class Reply:
    """What a stand-in answers."""

    status: int
    content: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Call:
    """A call as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: Any


class Forge:
    """One repository with its deploy keys; subclasses speak one provider's API."""

    provider: ClassVar[str]
    url: ClassVar[str] = "git@git.example.org:acme/app.git"
    id_in_path: ClassVar[str] = "id"

    def __init__(self, repository: str = "acme/app") -> None:
        self.repository = repository
        """Owner and name."""
        self.keys: list[dict[str, Any]] = []
        self.calls: list[Call] = []
        self.exists = True
        self._faults: list[tuple[str, Reply, bool]] = []
        self._next = 41
        self.changed: Callable[[list[str]], None] = lambda _: None
        """Gets all public keys after each change, as a provider's ssh servers do."""
        self.address = ""

    def fails(self, method: str, reply: Reply, *, done: bool = False) -> None:
        """The next call of this method gets this answer; `done`: the call takes effect before."""
        self._faults.append((method, reply, done))

    def answer(self, call: Call) -> Reply:
        """The answer to a call."""
        self.calls.append(call)
        fault = next((each for each in self._faults if each[0] == call.method), None)
        if fault is not None:
            self._faults.remove(fault)
            if fault[2]:
                self._plain(call)
            return fault[1]
        return self._plain(call)

    def has(self, public: str) -> bool:
        return any(public in json.dumps(each) for each in self.keys)

    def _plain(self, call: Call) -> Reply:
        scope = self.scope(call.headers)
        if scope is None:
            return self.unknown_token()
        path = self.path()
        if not self.exists or not (call.path == path or call.path.startswith(f"{path}/")):
            return self.unknown_repository()
        if scope != "admin" and (call.method != "GET" or not self.readers_list):
            return self.no_right()
        if call.method == "DELETE" and not call.query:
            return self._deleted(call.path.removeprefix(f"{path}/"))
        if call.path == path and call.method == "GET":
            return self.page(call.query)
        if call.path == path and call.method == "POST" and not call.query:
            return self._created(call.body)
        return Reply(405)

    readers_list: ClassVar[bool] = True

    def _created(self, body: Any) -> Reply:
        made = self.made(body, self._next)
        if made is None:
            return Reply(400, {"message": "bad request"})
        content = self.public_of(made)
        if any(self.public_of(each) == content for each in self.keys):
            return self.duplicate()
        self._next += 1
        self.keys.append(made)
        self.changed([self.public_of(each) for each in self.keys])
        return Reply(self.created, made)

    created: ClassVar[int] = 201

    def _deleted(self, name: str) -> Reply:
        before = len(self.keys)
        self.keys = [each for each in self.keys if str(self.id_of(each)) != name]
        self.changed([self.public_of(each) for each in self.keys])
        return Reply(204) if len(self.keys) < before else self.unknown_repository()

    def seed(self, title: str, public: str, *, writes: bool = False) -> None:
        """A key that was there before."""
        raise NotImplementedError

    def scope(self, headers: Mapping[str, str]) -> str | None:
        """`admin` or `read`; None for a token that the provider does not know."""
        header = headers.get("Authorization", "")
        return {f"Bearer {TOKEN}": "admin", f"Bearer {READER}": "read"}.get(header)

    def path(self) -> str:
        raise NotImplementedError

    def made(self, body: Any, number: int) -> dict[str, Any] | None:
        raise NotImplementedError

    def page(self, query: dict[str, str]) -> Reply:
        raise NotImplementedError

    def public_of(self, key: dict[str, Any]) -> str:
        return str(key["key"])

    def id_of(self, key: dict[str, Any]) -> object:
        return key["id"]

    def unknown_token(self) -> Reply:
        raise NotImplementedError

    def unknown_repository(self) -> Reply:
        raise NotImplementedError

    def no_right(self) -> Reply:
        raise NotImplementedError

    def duplicate(self) -> Reply:
        raise NotImplementedError


class GitHub(Forge):
    provider = "github"

    def path(self) -> str:
        return f"/repos/{self.repository}/keys"

    def scope(self, headers: Mapping[str, str]) -> str | None:
        versioned = headers.get("X-GitHub-Api-Version") == "2022-11-28"
        return super().scope(headers) if versioned else None

    def made(self, body: Any, number: int) -> dict[str, Any] | None:
        if set(body) != {"title", "key", "read_only"} or not body["key"].startswith("ssh-"):
            return None
        return {"id": number, "verified": True, **body}

    def seed(self, title: str, public: str, *, writes: bool = False) -> None:
        self._created({"title": title, "key": public, "read_only": not writes})

    def page(self, query: dict[str, str]) -> Reply:
        if set(query) != {"per_page", "page"} or query["per_page"] != "100":
            return Reply(400)
        at = (int(query["page"]) - 1) * PAGE
        more = (
            f'<{self.address}{self.path()}?per_page=100&page={int(query["page"]) + 1}>; rel="next"'
        )
        last = f'<{self.address}{self.path()}?per_page=100&page=9>; rel="last"'
        link = {"Link": f"{more}, {last}"} if self.keys[at + PAGE :] else {}
        return Reply(200, self.keys[at : at + PAGE], link)

    def unknown_token(self) -> Reply:
        return Reply(401, {"message": "Bad credentials", "status": "401"})

    def unknown_repository(self) -> Reply:
        return Reply(404, {"message": "Not Found", "status": "404"})

    def no_right(self) -> Reply:
        return Reply(403, {"message": "Resource not accessible by personal access token"})

    def duplicate(self) -> Reply:
        error = {"resource": "PublicKey", "code": "custom", "field": "key"}
        errors = [{**error, "message": "key is already in use"}]
        return Reply(422, {"message": "Validation Failed", "errors": errors})


class GitLab(Forge):
    provider = "gitlab"

    def path(self) -> str:
        return f"/projects/{quote(self.repository, safe='')}/deploy_keys"

    def scope(self, headers: Mapping[str, str]) -> str | None:
        return {TOKEN: "admin", READER: "read"}.get(headers.get("PRIVATE-TOKEN", ""))

    def made(self, body: Any, number: int) -> dict[str, Any] | None:
        if set(body) != {"title", "key", "can_push"}:
            return None
        # GitLab shows a key with the comment that it makes of title and host.
        return {"id": number, "fingerprint_sha256": "…", **body}

    def seed(self, title: str, public: str, *, writes: bool = False) -> None:
        self._created({"title": title, "key": public, "can_push": writes})

    def page(self, query: dict[str, str]) -> Reply:
        if set(query) != {"per_page", "page"} or query["per_page"] != "100":
            return Reply(400)
        page = int(query["page"])
        at = (page - 1) * PAGE
        following = str(page + 1) if self.keys[at + PAGE :] else ""
        return Reply(200, self.keys[at : at + PAGE], {"X-Next-Page": following})

    def unknown_token(self) -> Reply:
        return Reply(401, {"message": "401 Unauthorized"})

    def unknown_repository(self) -> Reply:
        return Reply(404, {"message": "404 Project Not Found"})

    def no_right(self) -> Reply:
        why = "The request requires higher privileges than provided by the access token."
        error = {"error": "insufficient_scope", "error_description": why, "scope": "api"}
        return Reply(403, error)

    def duplicate(self) -> Reply:
        return Reply(
            400, {"message": {"deploy_key.fingerprint_sha256": ["has already been taken"]}}
        )


class Bitbucket(Forge):
    provider = "bitbucket"
    created = 200
    readers_list = False  # even the list needs admin:repository:bitbucket

    def path(self) -> str:
        return f"/repositories/{self.repository}/deploy-keys"

    def made(self, body: Any, number: int) -> dict[str, Any] | None:
        if set(body) != {"label", "key"}:
            return None
        return {"id": number, "type": "deploy_key", "comment": "", **body}

    def seed(self, title: str, public: str, *, writes: bool = False) -> None:
        self._created({"label": title, "key": public})

    def page(self, query: dict[str, str]) -> Reply:
        if query.get("pagelen") != "100" or not set(query) <= {"pagelen", "page"}:
            return Reply(400)
        page = int(query.get("page", "1"))
        at = (page - 1) * PAGE
        found: dict[str, object] = {"pagelen": 100, "values": self.keys[at : at + PAGE]}
        if self.keys[at + PAGE :]:
            found["next"] = f"{self.address}{self.path()}?pagelen=100&page={page + 1}"
        return Reply(200, found)

    def unknown_token(self) -> Reply:
        return Reply(401, self._error("Token is invalid, expired, or not supported."))

    def unknown_repository(self) -> Reply:
        return Reply(404, self._error(f"Repository {self.repository} not found"))

    def no_right(self) -> Reply:
        return Reply(
            403, self._error("Your credentials lack one or more required privilege scopes.")
        )

    def duplicate(self) -> Reply:
        why = "Someone has already added that access key to this repository."
        return Reply(
            400, {"type": "error", "error": {"message": "Bad request", "fields": {"key": [why]}}}
        )

    def _error(self, message: str) -> object:
        return {"type": "error", "error": {"message": message}}


class BitbucketServer(Forge):
    provider = "bitbucket-server"
    url = "ssh://git@git.example.org:7999/acme/app.git"

    def path(self) -> str:
        owner, name = self.repository.split("/")
        return f"/rest/keys/latest/projects/{owner}/repos/{name}/ssh"

    def made(self, body: Any, number: int) -> dict[str, Any] | None:
        if set(body) != {"key", "permission"} or set(body["key"]) != {"text", "label"}:
            return None
        return {"key": {"id": number, **body["key"]}, "permission": body["permission"]}

    def seed(self, title: str, public: str, *, writes: bool = False) -> None:
        permission = "REPO_WRITE" if writes else "REPO_READ"
        self._created({"key": {"text": public, "label": title}, "permission": permission})

    def public_of(self, key: dict[str, Any]) -> str:
        return str(key["key"]["text"])

    def id_of(self, key: dict[str, Any]) -> object:
        return key["key"]["id"]

    def page(self, query: dict[str, str]) -> Reply:
        if set(query) != {"limit", "start"} or query["limit"] != "100":
            return Reply(400)
        at = int(query["start"])
        last = not self.keys[at + PAGE :]
        page: dict[str, object] = {"size": PAGE, "limit": 100, "start": at, "isLastPage": last}
        page["nextPageStart"] = None if last else at + PAGE
        return Reply(200, {**page, "values": self.keys[at : at + PAGE]})

    def unknown_token(self) -> Reply:
        return Reply(401, self._errors("Authentication failed. Please check your credentials."))

    def unknown_repository(self) -> Reply:
        return Reply(404, self._errors(f"Repository {self.repository} does not exist."))

    def no_right(self) -> Reply:
        return Reply(401, self._errors("You are not permitted to access this resource"))

    def duplicate(self) -> Reply:
        return Reply(409, self._errors("This access key already exists in this repository."))

    def _errors(self, message: str) -> object:
        return {"errors": [{"context": None, "message": message, "exceptionName": "com.…"}]}


FORGES: tuple[type[Forge], ...] = (GitHub, GitLab, Bitbucket, BitbucketServer)


@contextmanager
def serving(forge: Forge) -> Iterator[Forge]:
    """The stand-in, answering at its `address` until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            sent = self.rfile.read(length)
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            body = json.loads(sent) if sent else None
            reply = forge.answer(Call(self.command, parts.path, query, dict(self.headers), body))
            if reply.status == 0:  # the connection ends without an answer
                self.close_connection = True
                return
            raw = isinstance(reply.content, str)
            text = str(reply.content) if raw else json.dumps(reply.content)
            content = b"" if reply.content is None else text.encode()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - names of http.server

        def log_message(self, *_: object) -> None:
            """Tests show calls themselves."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    forge.address = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield forge
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
