"""Announcing, uploading and finding artifacts, as an agent does."""

from __future__ import annotations

import requests

from emulator.buildkite_client import Contract, Session


def described(path: str, size: int = 2, **more: object) -> dict[str, object]:
    return {
        "id": "",
        "path": path,
        "absolute_path": f"/x/{path}",
        "glob_path": "",
        "file_size": size,
        "sha1sum": f"sha1-of-{path}",
        "sha256sum": f"sha256-of-{path}",
        "job_id": "",
        "created_at": "0001-01-01T00:00:00Z",
        "content_type": "text/plain",
        **more,
    }


def announce(
    session: Session, *artifacts: dict[str, object], batch: str = "b", **more: object
) -> requests.Response:
    body = {"id": batch, "artifacts": list(artifacts), "upload_destination": "", **more}
    return session.job("POST", "/artifacts", body)


def send(answer: requests.Response, path: str, content: bytes, **fields: str) -> requests.Response:
    instructions = answer.json()["upload_instructions"]
    action = instructions["action"]
    # Seen: the fields come in any order, the file after them; no Authorization.
    data = {
        name: value.replace("${artifact:path}", path)
        for name, value in reversed(instructions["data"].items())
    }
    files = {action["file_input"]: (path, content, "application/octet-stream")}
    url = action["url"] + action["path"]
    method = action["method"]
    return requests.request(method, url, data={**data, **fields}, files=files, timeout=5)


def keep(session: Session, path: str, content: bytes = b"xy", batch: str = "b") -> str:
    answer = announce(session, described(path, len(content)), batch=batch)
    assert send(answer, path, content).ok
    artifact_id: str = answer.json()["artifact_ids"][0]
    states = {"artifacts": [{"id": artifact_id, "state": "finished"}]}
    assert session.job("PUT", "/artifacts", states).ok
    return artifact_id


def search(bk: Contract, session: Session, query: str, **more: str) -> requests.Response:
    build = bk.buildkite.job(session.job_id).build_id
    wanted = "&".join(f"{name}={value}" for name, value in {"query": query, **more}.items())
    return bk.call("GET", f"/v3/builds/{build}/artifacts/search?{wanted}", token=session.job_token)


def paths(answer: requests.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [artifact["path"] for artifact in answer.json()]
