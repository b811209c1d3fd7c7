"""Whole commands: Parameter Store in moto, a provider over HTTP, and git by a stand-in of ssh."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from mayfly_cli.deploy_keys.key_pair import public_of
from tests.cli.deploy_keys.conftest import FOLDER, URL, Secrets, World
from tests.cli.deploy_keys.forges import READER, TOKEN, Reply
from tests.cli.real_account import one_line
from tests.unit.published import queue_stack

# ------------------------------------------------------------------ create


def test_a_key_is_made_registered_tried_and_stored(world: World) -> None:
    ended = world.run("create")
    assert (ended.status, ended.err) == (0, "")
    private = world.stored["ssh/key"]
    public = public_of(private)
    assert public is not None
    assert world.registered() == [public.text]
    assert world.forge.keys[0]["title"] == "mayfly ci/deploy"
    assert world.forge.keys[0]["read_only"] is True
    assert world.stored["ssh/key.pub"] == f"{public.text} mayfly ci/deploy"
    assert world.secrets.described(f"{FOLDER}/ssh/key")["Type"] == "SecureString"
    shown = " ".join(ended.out.split())
    assert "acme/app git can read it with the new key" in shown
    assert f"{FOLDER}/ssh/key, version 1, under the account's aws/ssm key" in shown
    assert f'{public.fingerprint}, read-only at GitHub as "mayfly ci/deploy"' in shown
    assert len(world.host.calls) == 1


def test_the_result_as_json_has_names_and_no_key(world: World) -> None:
    ended = world.run("create", "--json", "--title", "for tests")
    found = json.loads(ended.out)
    assert (found["parameter"], found["version"]) == (f"{FOLDER}/ssh/key", 1)
    assert (found["title"], found["left"], found["removed"]) == ("for tests", "", [])
    assert "PRIVATE" not in ended.out


def test_a_key_of_the_queues_own_kms_key_is_used(world: World) -> None:
    key = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    infra = queue_stack(secrets_path="/vendors/buildkite", secrets_key=key)
    world.secrets.put("/mayfly-infra/ci/queues/deploy", infra)
    assert world.run("create").status == 0
    assert world.secrets.described(f"{FOLDER}/ssh/key")["KeyId"] == key


def test_a_key_that_is_there_stays_without_rotate(world: World) -> None:
    world.run("create")
    before = world.stored
    ended = world.run("create")
    assert ended.status == 2
    assert "acme/app has a key already (version 1); --rotate replaces it" in one_line(ended)
    assert world.stored == before
    assert world.run("create", "--rotate").status == 0
    assert world.stored["ssh/key"] != before["ssh/key"]


def test_an_https_url_of_a_known_host_is_tried_by_ssh_and_said(world: World) -> None:
    ended = world.run("create", url="https://github.com/acme/app.git")
    assert ended.status == 0
    assert "the pipeline's repository must be git@github.com:acme/app.git" in " ".join(
        ended.out.split()
    )


def test_a_token_may_lie_in_a_parameter(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_TOKEN")
    ended = world.run("create")
    assert ended.status == 2
    assert "set GITHUB_TOKEN, or give --token-parameter" in one_line(ended)
    world.secrets.put("/tokens/github", TOKEN, "String")
    assert "in plain text" in one_line(world.run("create", "--token-parameter", "/tokens/github"))
    world.secrets.client.delete_parameter(Name="/tokens/github")
    assert "there is no parameter" in one_line(
        world.run("create", "--token-parameter", "/tokens/github")
    )
    world.secrets.put("/tokens/github", f"{TOKEN}\n", "SecureString")
    assert world.run("create", "--token-parameter", "/tokens/github").status == 0


def test_host_keys_may_come_from_a_file_and_never_from_the_network(
    world: World, tmp_path: Path
) -> None:
    world.secrets.client.delete_parameter(Name="/mayfly/ci/queues/deploy/ssh/known-hosts")
    ended = world.run("create")
    assert ended.status == 2
    assert "has no ssh/known-hosts" in one_line(ended)
    assert world.forge.calls == []
    file = tmp_path / "known_hosts"
    file.write_text(world.host.known_hosts)
    assert world.run("create", "--known-hosts", str(file)).status == 0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("secrets/path", "queue deploy has no secrets: its parameter secrets/path is not set"),
        ("infra", "the stack ci has no queue deploy"),
        ("elsewhere", "its stack lets jobs read"),
        ("secure", "is no String"),
    ],
)
def test_a_queue_without_a_place_for_secrets_is_refused(
    world: World, change: str, why: str
) -> None:
    match change:
        case "secrets/path":
            world.secrets.client.delete_parameter(Name="/mayfly/ci/queues/deploy/secrets/path")
        case "infra":
            world.secrets.client.delete_parameter(Name="/mayfly-infra/ci/queues/deploy")
        case "elsewhere":
            world.secrets.set("secrets/path", "/other/{queue}")
        case "secure":
            world.secrets.client.delete_parameter(Name="/mayfly/ci/queues/deploy/secrets/path")
            world.secrets.set("secrets/path", "/vendors/buildkite/x", "SecureString")
    ended = world.run("create")
    assert ended.status == 2
    assert why in one_line(ended)
    assert world.forge.calls == []


# ------------------------------------------------------------------ failures


def test_git_that_cannot_read_leaves_nothing_behind(world: World) -> None:
    world.forge.changed = lambda _: None
    ended = world.run("create")
    assert ended.status == 1
    assert "git cannot read git@github.com:acme/app.git with the new key" in ended.err
    assert "Permission denied (publickey)" in ended.err
    assert "removed again, and nothing else was changed" in ended.err
    assert (world.stored, world.forge.keys) == ({}, [])


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_provider_that_refuses_changes_nothing(
    world: World, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.forge.fails(method, Reply(403, {"message": "Repository was archived so is read-only."}))
    ended = world.run("create")
    assert ended.status == 2
    assert "acme/app is archived" in one_line(ended)
    assert (world.stored, world.forge.keys) == ({}, [])


def test_a_token_that_may_only_read_is_told_what_it_needs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", READER)
    ended = world.run("create")
    assert ended.status == 2
    assert "the permission Administration (write)" in one_line(ended)
    assert READER not in ended.err


def test_a_server_error_after_the_key_was_registered_goes_on_with_it(world: World) -> None:
    world.forge.fails("POST", Reply(500, {"message": "Server Error"}), done=True)
    assert world.run("create").status == 0
    assert len(world.forge.keys) == 1


def test_what_cannot_be_undone_is_a_command_that_works(world: World) -> None:
    world.forge.changed = lambda _: None
    world.forge.fails("DELETE", Reply(502, "<html>"))
    ended = world.run("create")
    assert ended.status == 1
    assert "stays registered" in ended.err
    fingerprint = next(word for word in ended.err.split() if word.startswith("SHA256:"))
    command = ended.err[ended.err.index("mayfly deploy-key delete") :].split()
    assert command[-1] == fingerprint
    again = world.secrets.run(*command[1:])
    assert (again.status, world.forge.keys) == (0, [])


def test_no_right_to_write_undoes_the_registration(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        "User: eve is not authorized to perform: ssm:PutParameter on resource: "
        f"arn:aws:ssm:eu-central-1:1:parameter{FOLDER}/ssh/key because no identity-based policy"
    )

    def refuse(model, **_):  # type: ignore[no-untyped-def]
        if model.name != "PutParameter":
            return None
        error = {"Code": "AccessDeniedException", "Message": text}
        answer = type("Answer", (), {"status_code": 400})
        return answer, {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 400}}

    events = world.secrets.client.meta.events
    events.register_first("before-call.ssm", refuse, unique_id="refuse")
    try:
        ended = world.run("create")
    finally:
        events.unregister("before-call.ssm", refuse, unique_id="refuse")
    assert ended.status == 1
    assert f"you may not ssm:PutParameter on {FOLDER}/ssh/key" in ended.err
    assert "SecretsOwnersPolicy allows it (output of the queue's stack)" in ended.err
    assert world.forge.keys == []


def test_no_private_key_and_no_token_is_in_output_log_or_file(
    world: World, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG, logger="mayfly_cli")
    shown = [world.run("create"), world.run("rotate"), world.run("list"), world.run("create")]
    body = world.stored["ssh/key"].splitlines()[1]
    text = "".join(each.out + each.err for each in shown) + caplog.text
    files = (each for each in tmp_path.rglob("*") if each.is_file())
    text += "".join(each.read_text("utf-8", "replace") for each in files)
    assert body not in text
    assert TOKEN not in text


# ------------------------------------------------------------------ words


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("create", "nonsense"), "is not a clone URL"),
        (("create", URL, "--provider", "gitlab"), "github.com is GitHub, not GitLab"),
        (("create", URL, "--provider", "sourcehut"), "--provider"),
        (("create", URL, "--title", "a\nb"), "--title"),
        (("create", URL, "--api", "http://git.example.org"), "is not an https address"),
        (("create", URL, "--token-parameter", "token"), "a parameter's whole name"),
        (("delete", URL, "--fingerprint", "SHA256:x"), "a fingerprint of SHA-256"),
    ],
)
def test_wrong_words_are_one_line(secrets: Secrets, words: tuple[str, ...], why: str) -> None:
    ended = secrets.run("deploy-key", *words, "--queue", "deploy")
    assert ended.status == 2
    assert why in one_line(ended)
