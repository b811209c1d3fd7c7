"""What of a bucket goes where, and what is left to a person."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mayfly_cli.deploy_keys.key_pair import generate
from mayfly_cli.import_secrets.layout import Listed, placed
from mayfly_cli.import_secrets.planning import Plan, plan, public_name

PATH = "/vendors/buildkite/default"
KEY, OTHER = generate().private_text, generate().private_text


def planned(**files: str | bytes) -> Plan:
    """The plan for these objects; `__` in a name is a slash."""
    contents = {
        name.replace("__", "/").replace("_dash_", "-"): text
        if isinstance(text, bytes)
        else text.encode()
        for name, text in files.items()
    }
    objects, _ = placed([Listed(key, len(each)) for key, each in contents.items()], "", None)
    return plan(PATH, objects, contents)


def values(found: Plan) -> dict[str, str]:
    return {each.parameter.removeprefix(f"{PATH}/"): each.value for each in found.wanted}


def left(found: Plan) -> dict[str, str]:
    return {each.source: each.why for each in found.left}


def test_each_kind_of_object_has_its_place() -> None:
    found = planned(
        env="A=1\nB='two'\n",
        app__env="B=3\n",
        secret_dash_files__NPM_TOKEN="abc\n",
        app__secret_dash_files__DB_PASSWORD="x\r\n",
        private_ssh_key=KEY,
        app__private_ssh_key=OTHER,
    )
    assert values(found) == {
        "global/env/A": "1",
        "global/env/B": "two",
        "global/env/NPM_TOKEN": "abc",
        "app/env/B": "3",
        "app/env/DB_PASSWORD": "x",
        "shared_ssh_keys/private_ssh_key": KEY,
        "app/ssh/key": OTHER,
    }
    assert found.left == ()
    assert found.shared_keys == (f"{PATH}/shared_ssh_keys/private_ssh_key",)
    assert all(each.size == len(each.value.encode()) for each in found.wanted)


def test_later_files_of_a_folder_win_as_in_the_hooks() -> None:
    found = planned(
        env="A=1\n", environment="A=2\n", secret_dash_files__A_TOKEN="3", app__env="A=4"
    )
    assert values(found) == {"global/env/A": "2", "global/env/A_TOKEN": "3", "app/env/A": "4"}
    assert list(found.notes) == ["environment:1 wins over env:1, as in the hooks"]


def test_a_variable_whose_winner_differs_from_the_hooks_is_noted() -> None:
    found = planned(secret_dash_files__A_TOKEN="1", app__env="A_TOKEN=2")
    assert "pipeline app has its own value now" in found.notes[0]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("PATH=/x", "shell"),
        ("LD_PRELOAD=x", "programs load"),
        ("BUILDKITE_GIT_CLONE_FLAGS=-v", "Buildkite's agent"),
        ("SSH_AUTH_SOCK=/x", "ssh"),
        ("npm_config_registry=x", "capital letters"),
        ("A=", "it is empty"),
        ("A='{{x}}'", "{{ in it"),
        (f"A={'x' * 8193}", "8,193 bytes"),
        ("A=$X", "a variable in its value"),
    ],
)
def test_a_line_that_jobs_cannot_get_is_left_with_its_number(line: str, why: str) -> None:
    found = planned(env=f"# first\n{line}\nB=1")
    assert values(found) == {"global/env/B": "1"}
    assert list(left(found)) == ["env:2"]
    assert why in left(found)["env:2"]


def test_values_up_to_eight_kilobytes_have_room() -> None:
    assert [each.size for each in planned(env=f"A={'x' * 8192}").wanted] == [8192]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"\n", "it is empty"),
        (b"\xff\xfe", "no text in UTF-8"),
        (b"a\0b", "a NUL"),
        (b"x" * 9000, "9,000 bytes"),
    ],
)
def test_a_secret_file_that_is_no_value_is_left(content: bytes, why: str) -> None:
    found = planned(secret_dash_files__A_TOKEN=content)
    assert found.wanted == ()
    assert why in left(found)["secret-files/A_TOKEN"]


def test_a_secret_file_keeps_all_but_the_end_of_its_last_line() -> None:
    found = planned(secret_dash_files__A_TOKEN=" a\nb\n\n")
    assert values(found) == {"global/env/A_TOKEN": " a\nb\n"}


def made_by_keygen(folder: Path, *options: str) -> str:
    subprocess.run(["ssh-keygen", "-q", *options, "-f", folder / "key"], check=True)
    return (folder / "key").read_text()


def test_each_form_of_key_is_brought_with_its_public_half(tmp_path: Path) -> None:
    key = made_by_keygen(tmp_path, "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "")
    found = planned(app__id_rsa_github=key.replace("\n", "\r\n"))
    (wanted,) = found.wanted
    assert wanted.value == key
    public = (tmp_path / "key.pub").read_text().split()[:2]
    assert wanted.public.split()[:2] == public
    assert public_name(wanted) == f"{PATH}/app/ssh/key.pub"


def test_a_key_with_a_passphrase_is_left(tmp_path: Path) -> None:
    key = made_by_keygen(tmp_path, "-t", "ed25519", "-N", "passphrase", "-a", "1")
    assert "passphrase" in left(planned(private_ssh_key=key))["private_ssh_key"]
    assert "no private key" in left(planned(private_ssh_key="hello"))["private_ssh_key"]


def test_a_pipelines_second_key_is_left_and_the_same_key_twice_is_one() -> None:
    twice = planned(app__private_ssh_key=KEY, app__id_rsa_github=KEY.strip())
    assert (list(values(twice)), twice.left) == (["app/ssh/key"], ())
    two = planned(app__private_ssh_key=KEY, app__id_rsa_github=OTHER)
    assert values(two) == {"app/ssh/key": KEY}
    assert "app/private_ssh_key has it already" in left(two)["app/id_rsa_github"]


def test_both_keys_of_all_pipelines_have_a_place() -> None:
    found = planned(private_ssh_key=KEY, id_rsa_github=OTHER)
    assert [name.rpartition("/")[2] for name in found.shared_keys] == [
        "private_ssh_key",
        "id_rsa_github",
    ]


def test_credentials_of_git_are_left_with_their_hosts_and_nothing_else() -> None:
    text = "https://me:hunter2@git.example.org\nhttps://you:hunter2@github.com\nhunter2\n"
    why = left(planned(git_dash_credentials=text))["git-credentials"]
    assert "for git.example.org, github.com: Mayfly has no place for them" in why
    assert "hunter2" not in why


def test_no_repr_of_a_plan_has_a_value() -> None:
    found = planned(
        env="A=hunter2\nB=hunter2$X", private_ssh_key=KEY, secret_dash_files__A_TOKEN="hunter2"
    )
    assert "hunter2" not in repr(found)
    assert "PRIVATE" not in repr(found)
