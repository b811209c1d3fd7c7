"""Whole imports: a bucket and Parameter Store in moto."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from mayfly_cli.deploy_keys.key_pair import generate, parse_public, public_of
from mayfly_cli.import_secrets import bucket as buckets
from tests.cli.deploy_keys.conftest import PATH, Secrets, secrets  # noqa: F401 - a fixture
from tests.cli.deploy_keys.test_stored import refused, struck
from tests.cli.real_account import Run, one_line

BUCKET = "acme-secrets"
KEY, SHARED = generate().private_text, generate().private_text
FILES = {
    "private_ssh_key": SHARED,
    "env": "# for all\nexport REGION=eu-1\nDEBUG=$LEVEL\n",
    "app/private_ssh_key": KEY,
    "app/environment": "DB='p w'\nPATH=$PATH:/x\n",
    "app/secret-files/NPM_TOKEN": "npm-hunter2\n",
    "app/git-credentials": "https://me:hunter2@git.example.org\n",
    "notes.txt": "hunter2",
}
WANTED = {
    "shared_ssh_keys/private_ssh_key": SHARED,
    "global/env/REGION": "eu-1",
    "app/ssh/key": KEY,
    "app/env/DB": "p w",
    "app/env/NPM_TOKEN": "npm-hunter2",
}


class World:
    def __init__(self, secrets: Secrets, s3: Any) -> None:  # noqa: F811
        self.secrets, self.s3 = secrets, s3

    def upload(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            self.s3.put_object(Bucket=BUCKET, Key=name, Body=text.encode())

    def run(self, *words: str, prefix: str = "") -> Run:
        return self.secrets.run(
            "import-secrets", f"s3://{BUCKET}{prefix}", "--queue", "deploy", *words
        )

    @property
    def stored(self) -> dict[str, str]:
        found = self.secrets.below()
        return {name: value for name, value in found.items() if not name.endswith(".pub")}


@pytest.fixture
def world(secrets: Secrets) -> World:  # noqa: F811
    s3 = secrets.account.client("s3")
    s3.create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    made = World(secrets, s3)
    made.upload(FILES)
    return made


def rows(ended: Run) -> dict[str, str]:
    found = json.loads(ended.out)
    return {each["parameter"].removeprefix(f"{PATH}/"): each["state"] for each in found["rows"]}


def test_a_dry_run_shows_names_and_sizes_and_writes_nothing(world: World) -> None:
    ended = world.run("--dry-run")
    assert ended.status == 1  # lines are left to a person
    for shown in ("app/env/NPM_TOKEN", "global/env/REGION", "app/ssh/key", "5 new"):
        assert shown in ended.out
    for source in ("env:3", "app/environment:2", "app/git-credentials", "notes.txt"):
        assert source in ended.out
    for value in ("hunter2", "eu-1", "p w", "PRIVATE"):
        assert value not in ended.out
    assert world.stored == {}


def test_secrets_are_written_and_read_back_and_the_bucket_stays(world: World) -> None:
    ended = world.run("--yes", "--json")
    assert world.stored == WANTED
    assert set(rows(ended).values()) == {"written"}
    assert all(
        world.secrets.described(f"{PATH}/{name}")["Type"] == "SecureString" for name in WANTED
    )
    listed = world.s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert {each["Key"] for each in listed} == set(FILES)
    for value in ("hunter2", "eu-1", "p w", "PRIVATE"):
        assert value not in ended.out


def test_an_imported_key_has_its_public_half_beside_it(world: World) -> None:
    world.run("--yes")
    line = str(world.secrets.value(f"{PATH}/app/ssh/key.pub"))
    assert parse_public(line) == public_of(KEY)


def test_keys_of_all_pipelines_come_with_the_command_that_names_them(world: World) -> None:
    ended = world.run("--yes")
    command = f'mayfly set deploy secrets/shared-ssh-keys "{PATH}/shared_ssh_keys/private_ssh_key"'
    assert command in ended.out


def test_a_second_import_changes_nothing(world: World) -> None:
    world.run("--yes")
    ended = world.run("--json", "--yes")
    assert set(rows(ended).values()) == {"there already"}
    assert world.secrets.described(f"{PATH}/app/env/DB")["Version"] == 1


def test_another_value_stays_unless_it_is_told(world: World) -> None:
    world.secrets.put(f"{PATH}/app/env/DB", "mine", "SecureString")
    ended = world.run("--json", "--yes")
    assert rows(ended)["app/env/DB"] == "another value is there"
    assert (ended.status, world.stored["app/env/DB"]) == (1, "mine")
    assert "unless --overwrite" in world.run("--yes").out
    assert rows(world.run("--json", "--yes", "--overwrite"))["app/env/DB"] == "written"
    assert world.stored["app/env/DB"] == "p w"


def test_a_plain_string_stays_even_then(world: World) -> None:
    world.secrets.put(f"{PATH}/app/env/DB", "p w", "String")
    ended = world.run("--json", "--yes", "--overwrite")
    assert rows(ended)["app/env/DB"] == "another value is there"


def test_values_above_four_kilobytes_go_to_the_advanced_tier(world: World) -> None:
    world.upload(
        {"app/secret-files/BIG_TOKEN": "x" * 5000, "app/secret-files/OVER_TOKEN": "x" * 8193}
    )
    ended = world.run("--yes")
    assert world.secrets.described(f"{PATH}/app/env/BIG_TOKEN")["Tier"] == "Advanced"
    text = " ".join(ended.out.split())
    assert "1 value of more than 4 KB in the advanced tier" in text
    assert "OVER_TOKEN: it has 8,193 bytes, and Parameter Store takes at most 8,192" in text


def test_nothing_is_written_before_somebody_agrees(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    ended = world.run()
    assert (ended.status, world.stored) == (2, {})
    assert "give --yes" in ended.err
    assert "app/env/NPM_TOKEN" in ended.out  # the plan is shown before the question

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal("no\n"))
    assert (world.run().status, world.stored) == (130, {})
    monkeypatch.setattr("sys.stdin", Terminal("import\n"))
    assert world.run().status == 1
    assert world.stored == WANTED


def test_one_pipelines_folder_is_imported_alone(world: World) -> None:
    ended = world.run("--yes", prefix="/app")
    assert "app/ is taken as the folder of pipeline app" in ended.out
    assert set(world.stored) == {"app/ssh/key", "app/env/DB", "app/env/NPM_TOKEN"}
    assert set(rows(world.run("--json", "--dry-run", "--pipeline", "web", prefix="/app"))) == {
        *("web/ssh/key", "web/env/DB", "web/env/NPM_TOKEN")
    }


def test_a_write_that_fails_leaves_the_rest_open_with_the_reason(world: World) -> None:
    done: list[str] = []

    def third_refused(model: Any, params: Any, **_: Any) -> Any:
        done.append("put")
        return refused(model) if len(done) == 3 else None

    with struck(world.secrets, "PutParameter", third_refused):
        ended = world.run("--yes", "--json")
    found = json.loads(ended.out)
    assert ended.status == 1
    assert "ssm:PutParameter" in found["stopped"]
    states = list(rows(ended).values())
    assert states.count("written") + states.count("not written") == 5
    assert "not written" in states
    again = world.run("--yes", "--json")
    assert set(rows(again).values()) <= {"there already", "written"}
    assert world.stored == WANTED


def test_who_may_not_read_secrets_imports_without_comparison(world: World) -> None:
    world.secrets.put(f"{PATH}/app/env/DB", "mine", "SecureString")

    def sealed(model: Any, params: Any, **_: Any) -> Any:
        return refused(model) if '"WithDecryption": true' in str(params["body"]) else None

    with struck(world.secrets, "GetParameters", sealed):
        ended = world.run("--yes", "--json")
    found = json.loads(ended.out)
    assert rows(ended)["app/env/DB"] == "another value is there"
    assert rows(ended)["app/ssh/key"] == "written"
    assert any("neither compared nor read back" in note for note in found["notes"])
    assert world.stored["app/env/DB"] == "mine"


def test_a_value_that_is_another_one_when_read_back_is_not_written(world: World) -> None:
    def garbled(params: Any, **_: Any) -> None:
        if params["Name"].endswith("/app/env/DB"):
            params["Value"] = "garbled"

    events = world.secrets.client.meta.events
    events.register("provide-client-params.ssm.PutParameter", garbled, unique_id="garbled")
    try:
        ended = world.run("--yes", "--json")
    finally:
        events.unregister("provide-client-params.ssm.PutParameter", garbled, unique_id="garbled")
    assert rows(ended)["app/env/DB"] == "not written"


def test_long_objects_are_not_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mayfly_cli.import_secrets.importing.LONGEST", 30)
    monkeypatch.setattr(buckets, "LONGEST", 30)
    ended = world.run("--dry-run", "--json")
    left = {each["source"]: each["why"] for each in json.loads(ended.out)["left"]}
    assert "was not read" in left["app/private_ssh_key"]
    assert "app/ssh/key" not in rows(ended)


def test_too_many_objects_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "MOST", 3)
    assert "more than 3 objects" in one_line(world.run("--dry-run"))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("import-secrets", "s3://none-such-bucket", "--queue=deploy", "--yes"), "NoSuchBucket"),
        (("import-secrets", f"s3://{BUCKET}/none", "--queue=deploy"), "has no objects"),
        (("import-secrets", "acme", "--queue=deploy"), "is not an address of a bucket"),
        (("import-secrets", f"s3://{BUCKET}", "--queue=none"), "has no queue none"),
        (("import-secrets", f"s3://{BUCKET}", "--queue=deploy", "--json"), "give --yes"),
        (
            ("import-secrets", f"s3://{BUCKET}", "--queue=deploy", "--pipeline=my_app"),
            "is not the slug",
        ),
    ],
)
def test_wrong_words_are_one_line(world: World, words: tuple[str, ...], why: str) -> None:
    ended = world.secrets.run(*words)
    assert ended.status == 2
    assert why in one_line(ended)
