"""Keys that exist: rotated, listed and deleted; and the steps that the guide gives."""

from __future__ import annotations

import io
import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from build.blocks import ROOT
from build.guide import examples
from mayfly_cli.deploy_keys.key_pair import generate, parse_public, public_of
from tests.cli.deploy_keys.conftest import FOLDER, PATH, URL, World
from tests.cli.deploy_keys.forges import TOKEN
from tests.cli.real_account import one_line

# ------------------------------------------------------------------ rotate, list, delete


def test_a_rotation_replaces_the_key_here_and_there(world: World) -> None:
    world.forge.seed("somebody's", generate().public.text)
    world.run("create")
    old = world.stored["ssh/key"]
    ended = world.run("rotate")
    assert ended.status == 0
    new = public_of(world.stored["ssh/key"])
    assert new is not None
    assert new != public_of(old)
    assert len(world.registered()) == 2
    assert new.text in world.registered()
    assert f"{public_of(old).fingerprint}, the old one" in ended.out  # type: ignore[union-attr]
    assert "version 2" in ended.out


def test_a_rotation_that_fails_keeps_the_old_key(world: World) -> None:
    world.run("create")
    before, registered = world.stored, world.registered()
    world.forge.changed = lambda _: None
    assert world.run("rotate").status == 1
    assert (world.stored, world.registered()) == (before, registered)


def test_a_key_that_was_laid_down_by_hand_is_rotated_by_its_private_half(world: World) -> None:
    old = generate()
    world.forge.seed("by hand", old.public.text)
    world.secrets.put(f"{FOLDER}/ssh/key", old.private_text, "SecureString")
    assert world.run("rotate").status == 0
    assert old.public.text not in world.registered()


def test_a_key_in_plain_text_is_refused_with_what_to_do(world: World) -> None:
    world.secrets.put(f"{FOLDER}/ssh/key", generate().private_text, "String")
    line = one_line(world.run("rotate"))
    assert "is a String" in line
    assert f"aws ssm delete-parameter --name {FOLDER}/ssh/key" in line


def test_keys_of_a_queue_are_listed_by_their_public_halves(world: World) -> None:
    assert "has no ssh keys" in world.secrets.run("deploy-key", "list", "--queue=deploy").out
    world.run("create")
    world.secrets.put(f"{PATH}/app/ssh/key", generate().private_text, "SecureString")
    world.secrets.put(f"{PATH}/tool/ssh/key", generate().private_text, "String")
    ended = world.secrets.run("deploy-key", "list", "--queue=deploy", "--json")
    assert ended.status == 1
    rows = {each["folder"]: each for each in json.loads(ended.out)["keys"]}
    public = parse_public(world.stored["ssh/key.pub"])
    assert public is not None
    assert rows["github.com_acme_app.git"]["fingerprint"] == public.fingerprint
    assert rows["app"]["fingerprint"] == ""
    assert "plain text" in rows["tool"]["note"]


def test_a_list_reads_no_private_half(world: World) -> None:
    world.run("create")
    asked: list[tuple[str, object]] = []

    def note(params, model, **_):  # type: ignore[no-untyped-def]
        asked.append((model.name, params.get("WithDecryption")))

    events = world.secrets.client.meta.events
    events.register("before-parameter-build.ssm", note, unique_id="note")
    world.run("list")
    events.unregister("before-parameter-build.ssm", note, unique_id="note")
    assert {name for name, _ in asked} == {"GetParameters", "DescribeParameters"}
    assert not any(decrypted for _, decrypted in asked)


def test_a_repositorys_list_has_what_its_provider_has(world: World) -> None:
    world.run("create")
    world.forge.seed("may write", generate().public.text, writes=True)
    ended = world.run("list")
    assert ended.status == 0
    assert '"mayfly ci/deploy"' in ended.out
    assert '"may write"; at the provider alone; it may write' in " ".join(ended.out.split())
    world.forge.keys.clear()
    ended = world.run("list")
    assert (ended.status, "not registered at the provider" in ended.out) == (1, True)


def test_a_key_is_deleted_here_and_there_after_a_question(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run("create")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert "give --yes" in one_line(world.run("delete"))
    assert world.stored
    ended = world.run("delete", "--yes")
    assert (ended.status, world.stored, world.forge.keys) == (0, {}, [])
    assert "has no key in this queue's secrets" in one_line(world.run("delete", "--yes"))


def test_a_key_that_jobs_use_is_not_deleted_alone(world: World) -> None:
    world.run("create")
    public = parse_public(world.stored["ssh/key.pub"])
    assert public is not None
    ended = world.run("delete", "--fingerprint", public.fingerprint)
    assert ended.status == 2
    assert "jobs use this key" in one_line(ended)


# ------------------------------------------------------------------ the steps of the guide


def steps_of_the_guide() -> dict[str, str]:
    """The last command of each step of docs/deploy-keys.md, by the step's key."""
    text = (ROOT / "docs/deploy-keys.md").read_text("utf-8")
    found = {}
    for block in examples(text, "yaml"):
        for step in yaml.safe_load(block)["steps"]:
            if "command" in step:
                lines = step["command"].replace("\\\n", " ").strip().splitlines()
                assert lines[0] == "make install"
                found[step["key"]] = lines[-1]
    return found


def test_the_steps_of_the_guide_do_what_they_say(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line goes through bash, which finds a stand-in of `mayfly` that shows its words."""
    monkeypatch.delenv("GITHUB_TOKEN")
    world.secrets.put("/deploy-keys/token", TOKEN, "SecureString")
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for path, text in {
        ".venv/bin/mayfly": 'printf "%s\\n" "$@"',
        "buildkite-agent": f'[ "$3" = queue ] && echo deploy || echo {URL}',
    }.items():
        program = tmp_path / path
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for step, line in steps_of_the_guide().items():
        said = subprocess.run(
            ["bash", "-c", line], cwd=tmp_path, env=environment, capture_output=True, check=True
        )
        words = said.stdout.decode().replace("--queue=default", "--queue=deploy").splitlines()
        api = ["--api", world.forge.address] if step != "list" else []
        ended = world.secrets.run(words[0], words[1], *api, *words[2:])
        assert ended.status == 0, (step, ended)
    assert (world.stored, world.forge.keys) == ({}, [])
    assert set(steps_of_the_guide()) == {"create", "rotate", "list", "delete"}
