"""Clones of the emulator's repositories by git itself."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from emulator.buildkite_client import Contract, contract


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract(stack=False) as made:
        yield made


def git(directory: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(directory), *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_a_plain_directory_becomes_a_repository_that_git_clones(
    bk: Contract, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    (source / "scripts").mkdir(parents=True)
    script = source / "scripts" / "run.sh"
    script.write_text("echo hi\n")
    script.chmod(0o755)
    repository = bk.buildkite.add_repository("demo", source)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", bk.buildkite.repository_url("demo"), str(clone))
    assert (clone / "scripts" / "run.sh").read_text() == "echo hi\n"
    assert (clone / "scripts" / "run.sh").stat().st_mode & 0o100
    assert git(clone, "rev-parse", "HEAD") == repository.commit
    assert repository.branch == "main"
    assert not (source / ".git").exists()


def test_a_repository_keeps_its_history_branches_and_tags(bk: Contract, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    git(source, "init", "--quiet", "--initial-branch=trunk")
    for number in (1, 2):
        (source / "file").write_text(str(number))
        git(source, "add", "--all")
        who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        git(source, *who, "commit", "--quiet", "-m", str(number))
    first = git(source, "rev-parse", "HEAD~1")
    git(source, "tag", "v1", first)
    git(source, "branch", "topic", first)
    repository = bk.buildkite.add_repository("demo", source)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", bk.buildkite.repository_url("demo"), str(clone))
    assert repository.branch == "trunk"
    assert git(clone, "rev-list", "--count", "HEAD") == "2"
    assert git(clone, "rev-parse", "v1") == first
    git(clone, "fetch", "--quiet", "origin", first)
    git(clone, "fetch", "--quiet", "origin", "topic")
    assert git(clone, "rev-parse", "FETCH_HEAD") == first


@pytest.mark.parametrize(
    "path", ["/git/none.git/HEAD", "/git/demo.git/../../../etc/passwd", "/git/", "/git/%2e%2e/x"]
)
def test_paths_outside_of_repositories_are_not_served(
    bk: Contract, tmp_path: Path, path: str
) -> None:
    bk.buildkite.add_repository("demo", tmp_path)
    request = requests.Request("GET", bk.buildkite.url).prepare()
    request.url = bk.buildkite.url + path  # requests would normalize the path
    assert bk.http.send(request).status_code == 404


def test_a_repository_cannot_be_pushed_to(bk: Contract, tmp_path: Path) -> None:
    bk.buildkite.add_repository("demo", tmp_path)
    path = "/git/demo.git/git-receive-pack"
    assert bk.call("POST", path).status_code == 405


def test_an_outage_of_buildkite_does_not_affect_git(bk: Contract, tmp_path: Path) -> None:
    bk.buildkite.add_repository("demo", tmp_path)
    bk.buildkite.faults.outage = True
    assert bk.call("GET", "/git/demo.git/HEAD").text == "ref: refs/heads/main\n"
