"""`mayfly agent-release` against releases on loopback, in the form of GitHub's API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from mayfly_cli.agent_releases import line_of, newest
from mayfly_cli.findings import Unknown
from mayfly_cli.main import run_command

AMD64, ARM64 = "a" * 64, "b" * 64
SUMS = f"""{"c" * 64}  buildkite-agent-darwin-arm64-3.138.3.tar.gz
{AMD64}  buildkite-agent-linux-amd64-3.138.3.tar.gz
{ARM64}  ./buildkite-agent-linux-arm64-3.138.3.tar.gz
"""


class Releases:
    """A server of releases; `pages` and `files` may be changed."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.pages: dict[str, Any] = {}
        self.files: dict[str, str] = {"/sums": SUMS}
        releases = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                releases.asked.append(self.path)
                found = releases.pages.get(self.path.removeprefix("/releases"))
                text = json.dumps(found) if found is not None else releases.files.get(self.path)
                self.send_response(404 if text is None else 200)
                self.end_headers()
                self.wfile.write((text or "").encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/releases"

    def release(self, version: str, day: str, **more: Any) -> Mapping[str, Any]:
        name = f"buildkite-agent-{version}.SHA256SUMS"
        assets = [{"name": name, "browser_download_url": self.url[: -len("/releases")] + "/sums"}]
        shown = {"tag_name": f"v{version}", "published_at": f"{day}T09:00:00Z", "assets": assets}
        return {**shown, **more}


@pytest.fixture
def releases() -> Iterator[Releases]:
    made = Releases()
    thread = Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    made.pages = {
        "?per_page=100&page=1": [
            made.release("4.14.0", "2026-11-28", prerelease=True),
            made.release("4.13.0", "2026-11-27"),
            made.release("3.138.3", "2026-11-06"),
            {"tag_name": None},
            "nonsense",
            made.release("3.138.2", "2026-11-01"),
            made.release("3.139.0", "2026-11-01", draft=True),
            made.release("3.99.9", "2026-11-01"),
        ],
        "/tags/v3.138.3": made.release("3.138.3", "2026-11-06"),
        "/tags/v3.138.0": made.release("3.138.0", "2026-10-02"),
    }
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.mark.parametrize("words", [(), ("3.138",), ("3.138.3",)])
def test_the_parameters_of_the_newest_release_are_printed_for_both_templates(
    releases: Releases, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(("agent-release", *words, "--agent-releases", releases.url)) == 0
    assert capsys.readouterr().out.splitlines() == [
        "# buildkite-agent 3.138.3, published 2026-11-06, supported until 2027-10-02",
        "# for template.yaml:",
        f"AgentRelease=3.138.3,{AMD64},{ARM64}",
        "# for stacks/queue.yaml:",
        f"AgentVersion=3.138.3 AgentSha256Amd64={AMD64} AgentSha256Arm64={ARM64}",
    ]


def test_the_address_of_the_releases_is_also_read_from_the_environment(
    releases: Releases, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BUILDKITE_AGENT_RELEASES", releases.url)
    assert run_command(("agent-release",)) == 0
    assert "AgentRelease=3.138.3," in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sums", "says"),
    [
        (("3.200",), SUMS, "no stable release of buildkite-agent begins with 3.200"),
        (("3.138.9",), SUMS, "no stable release of buildkite-agent begins with 3.138.9"),
        (
            (),
            SUMS.replace("linux-arm64", "linux-riscv64"),
            "has no sum of buildkite-agent-linux-ar",
        ),
        ((), SUMS.replace(ARM64, ARM64[1:]), "has no sum of buildkite-agent-linux-arm64-3.138.3"),
        ((), None, "/sums answered 404"),
    ],
)
def test_a_release_or_sum_that_cannot_be_had_is_an_error(
    releases: Releases,
    words: tuple[str, ...],
    sums: str | None,
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    releases.files = {} if sums is None else {"/sums": sums}
    assert run_command(("agent-release", *words, "--agent-releases", releases.url)) == 1
    shown = capsys.readouterr()
    assert says in shown.err
    assert shown.out == ""


def test_releases_that_cannot_be_reached_are_an_error_that_says_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_command(("agent-release", "--agent-releases", "http://127.0.0.1:9/releases")) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "http://127.0.0.1:9/releases?per_page=100&page=1 cannot be reached from here" in line
    assert "; try again later or from another network, or form AgentRelease=VERSION,SUM-" in line


def test_a_release_of_4_is_found_only_when_it_is_asked_for(releases: Releases) -> None:
    found = newest(releases.url, "4")
    assert not isinstance(found, Unknown)
    assert found is not None
    assert found.version == "4.13.0"


def test_older_lines_are_looked_for_on_later_pages_within_a_limit(releases: Releases) -> None:
    full = [releases.release("4.13.0", "2026-11-27")] * 100
    releases.pages = {f"?per_page=100&page={page}": full for page in range(1, 100)}
    assert newest(releases.url, "3") is None
    assert len(releases.asked) == 10


def test_the_age_of_a_line_is_unknown_without_an_answer(releases: Releases) -> None:
    assert line_of(releases.url, "3.99.9") is None
    assert isinstance(line_of("http://127.0.0.1:9/releases", "3.99.9"), Unknown)
    releases.pages["/tags/v3.99.0"] = releases.release("3.99.0", "soon")
    assert isinstance(line_of(releases.url, "3.99.9"), Unknown)
    for nonsense in (["nonsense"], "nonsense", 7):
        releases.pages["/tags/v3.99.0"] = nonsense
        assert isinstance(line_of(releases.url, "3.99.9"), Unknown)
