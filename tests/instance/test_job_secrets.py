"""What a job gets out of its folders: every row of the table in docs/operating.md."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mayfly_instance.aws import Parameter
from mayfly_instance.job_secrets import JobSecrets, Refused, hidden, hides, judge
from mayfly_protocol.job_facts import JobFacts
from mayfly_protocol.slugs import folders

PATH = "/vendors/buildkite/deploy"
REPO = "git@github.com:acme/app.git"
SLUG = "github.com_acme_app.git"
FACTS = JobFacts(pipeline="app", repository=REPO, source="webhook", teams=("sre",))
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb\n-----END OPENSSH PRIVATE KEY-----\n"

Values = Mapping[str, "str | tuple[str, str]"]


def given(values: Values, shared: Values | None = None, facts: JobFacts = FACTS) -> JobSecrets:
    """What the job gets; each value has a name below PATH, and a kind if it is no SecureString."""
    parameters = [parameter(f"{PATH}/{name}", value) for name, value in values.items()]
    names = folders(facts.pipeline, facts.repository)
    read = {
        folder: [each for each in parameters if each.name.startswith(f"{PATH}/{folder}/")]
        for folder in names
    }
    assert sum(map(len, read.values())) == len(parameters), "a parameter in no folder of the job"
    wanted = shared or {}
    found = [parameter(name, value) for name, value in wanted.items() if value]
    return judge(PATH, read, facts, found, list(wanted))


def parameter(name: str, value: str | tuple[str, str]) -> Parameter:
    text, kind = value if isinstance(value, tuple) else (value, "SecureString")
    return Parameter(name, kind, text)


def refused(values: Values, shared: Values | None = None, facts: JobFacts = FACTS) -> str:
    with pytest.raises(Refused) as caught:
        given(values, shared, facts)
    return str(caught.value)


@pytest.mark.parametrize(
    ("values", "variables"),
    [
        # The layout's own cases of parse_env and dump_env_secrets: none, one, many.
        ({}, {}),
        ({"global/env/access-token": "x"}, {"ACCESS_TOKEN": "x"}),
        ({"global/env/A": "1", "global/env/b": "2"}, {"A": "1", "B": "2"}),
        # Precedence.
        ({"global/env/a": "g", f"{SLUG}/env/A": "r"}, {"A": "r"}),
        ({f"{SLUG}/env/a": "r", "app/env/a": "p"}, {"A": "p"}),
        ({"global/env/a": "g", f"{SLUG}/env/a": "r", "app/env/a": "p"}, {"A": "p"}),
        # Values are given as they stand.
        ({"app/env/a": "two\r\nlines\r\n"}, {"A": "two\r\nlines\r\n"}),
        ({"app/env/a": " x \t"}, {"A": " x \t"}),
        ({"app/env/a": "$(id) `id` 'q' \"q\" \\ é"}, {"A": "$(id) `id` 'q' \"q\" \\ é"}),
        ({"app/env/a": ""}, {"A": ""}),
        ({"app/env/a": "x" * 8192}, {"A": "x" * 8192}),
        ({"app/env/a": ("one,two", "StringList")}, {"A": "one,two"}),
        ({"app/env/a": ("plain", "String")}, {"A": "plain"}),
        # Other names give nothing.
        ({"app/env/a": "g", "app/README": "text", "app/ssh/known_hosts": "x"}, {"A": "g"}),
    ],
)
def test_variables_come_from_the_folders_of_the_job(
    values: Values, variables: dict[str, str]
) -> None:
    assert given(values).variables == variables


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"app/env/path": "x"}, f"{PATH}/app/env/path: PATH cannot be set: it changes how shells"),
        ({"global/env/BUILDKITE_REPO": "x"}, f"{PATH}/global/env/BUILDKITE_REPO: BUILDKITE_REPO"),
        ({"app/env/a/b": "x"}, f"{PATH}/app/env/a/b: below env/ a name has one part"),
        ({"app/env/a.b": "x"}, "A.B is no name of a variable for a shell"),
        ({"app/env/1a": "x"}, "1A is no name of a variable for a shell"),
        (
            {"app/env/fav-lesson": "x", "app/env/FAV_LESSON": "x"},
            f"{PATH}/app/env/FAV_LESSON and {PATH}/app/env/fav-lesson both give FAV_LESSON",
        ),
        ({"app/env/a": "x\0y"}, "has a NUL"),
        ({f"app/env/a{n}": "x" * 8000 for n in range(140)}, "have more than 1024 KB together"),
        ({"app/ssh/key": "ssh-ed25519 AAAA me"}, f"{PATH}/app/ssh/key is no private key for ssh"),
        ({"app/ssh/key": ""}, f"{PATH}/app/ssh/key is no private key for ssh"),
        ({"app/ssh/key": (KEY, "StringList")}, f"{PATH}/app/ssh/key is a StringList"),
    ],
)
def test_what_was_promised_and_cannot_be_given_refuses_the_job(values: Values, why: str) -> None:
    assert why in refused(values)


def test_a_refusal_names_as_many_faults_as_a_report_has_room_for() -> None:
    why = refused({f"app/env/a.{number}": "a secret value" for number in range(50)})

    assert f"{PATH}/app/env/a.0: A.0 is no name" in why
    assert " more" in why
    assert len(why) < 500
    assert "a secret value" not in why


@pytest.mark.parametrize(
    ("values", "facts", "why"),
    [
        # The layout's own cases of allowed_pipelines and allowed_teams.
        ({"app/allowed_pipelines": "app\nbar"}, FACTS, ""),
        ({"app/allowed_pipelines": "bar"}, FACTS, "its pipeline is not in"),
        ({"app/allowed_teams": "team1\nsre"}, FACTS, ""),
        ({"app/allowed_teams": "team3"}, FACTS, "none of its teams is in"),
        ({"app/allowed_teams": "sre"}, JobFacts(pipeline="app", source="schedule"), ""),
        (
            {"app/allowed_teams": "sre"},
            JobFacts(pipeline="app", source="schedule", teams=("dev",)),
            "none of its teams is in",
        ),
        # Each folder denies the whole job.
        ({"global/allowed_pipelines": "other"}, FACTS, f"{PATH}/global/allowed_pipelines"),
        ({f"{SLUG}/allowed_pipelines": "other"}, FACTS, f"{PATH}/{SLUG}/allowed_pipelines"),
        ({"app/allowed_pipelines": " app \r\n\r\n"}, FACTS, ""),
    ],
)
def test_lists_are_judged_again(values: Values, facts: JobFacts, why: str) -> None:
    plain = {name: (str(value), "String") for name, value in values.items()}
    if why:
        assert why in refused(plain, facts=facts)
    else:
        given(plain, facts=facts)


@pytest.mark.parametrize("kind", ["SecureString", "StringList"])
@pytest.mark.parametrize("name", ["allowed_pipelines", "allowed_teams", "repository"])
def test_a_list_that_dispatch_cannot_read_denies_the_job(name: str, kind: str) -> None:
    text = REPO if name == "repository" else "app"
    assert f"{name} is a {kind}, and must be a String" in refused({f"app/{name}": (text, kind)})


def test_a_list_denies_before_anything_else_is_told_about_the_folder() -> None:
    values: Values = {"app/allowed_pipelines": ("x", "String"), "app/env/a.b": "x"}
    assert refused(values) == f"its pipeline is not in {PATH}/app/allowed_pipelines"


@pytest.mark.parametrize(
    ("pin", "denied"),
    [
        ("https://github.com/acme/app", False),
        (f"{REPO}\n", False),
        ("git@github.com:acme_app/x.git", True),
        ("nonsense", True),
    ],
)
def test_a_folder_may_name_its_one_repository(pin: str, denied: bool) -> None:
    """Two repositories may share a slug: a/b_c and a_b/c."""
    values: Values = {f"{SLUG}/repository": (pin, "String")}
    if denied:
        assert refused(values) == f"{PATH}/{SLUG}/repository names another repository"
    else:
        given(values)


def test_the_pipelines_key_wins_over_the_repositorys() -> None:
    found = given({f"{SLUG}/ssh/key": KEY, "app/ssh/key": KEY})
    assert found.key is not None
    assert found.key.name == f"{PATH}/app/ssh/key"
    alone = given({f"{SLUG}/ssh/key": KEY}).key
    assert alone is not None
    assert alone.name == f"{PATH}/{SLUG}/ssh/key"


def test_a_key_for_all_is_ignored_with_a_note() -> None:
    """The layout's own case: "Ignore default ssh keys."."""
    found = given({"global/ssh/key": "whatever"})
    assert found.key is None
    assert found.notes == [
        f"{PATH}/global/ssh/key is ignored: secrets/shared-ssh-keys names shared keys"
    ]


@pytest.mark.parametrize("values", [{}, {"app/env/a": "x"}, {"app/ssh/key.pub": "ssh-ed25519 A"}])
def test_folders_without_a_key_give_none_and_no_note(values: Values) -> None:
    """The layout's own cases of parse_ssh: no `ssh`, and no key."""
    found = given(values)
    assert found.key is None
    assert not found.notes


@pytest.mark.parametrize("text", [KEY.replace("\n", "\r\n"), f"\n {KEY.strip()}", KEY + "\n\n"])
def test_a_key_is_given_in_the_form_that_ssh_add_takes(text: str) -> None:
    key = given({"app/ssh/key": text}).key
    assert key is not None
    assert key.text == KEY


def test_shared_keys_are_given_in_their_order() -> None:
    found = given({}, {"/keys/b": KEY, "/keys/a": KEY})
    assert [each.name for each in found.shared_keys] == ["/keys/b", "/keys/a"]


def test_a_shared_key_that_does_not_exist_refuses_the_job() -> None:
    assert refused({}, {"/keys/a": KEY, "/keys/gone": ""}) == "/keys/gone does not exist"


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ({"app/README": "x"}, f"{PATH}/app/README is ignored: a folder has no such name"),
        ({"app/env/a": "x\n"}, f"{PATH}/app/env/a: its value ends with a blank or a line break"),
        ({"app/ssh/key": (KEY, "String")}, f"{PATH}/app/ssh/key is a String, which is kept unenc"),
        ({"app/ssh/other": "x"}, f"{PATH}/app/ssh/other is ignored"),
        ({"app/allowed_pipelines/x": "x"}, f"{PATH}/app/allowed_pipelines/x is ignored"),
    ],
)
def test_what_is_unusual_is_noted_without_the_value(values: Values, note: str) -> None:
    (line,) = given(values).notes
    assert line.startswith(note)


def test_a_public_half_beside_a_key_is_neither_used_nor_noted() -> None:
    found = given({"app/ssh/key": KEY, "app/ssh/key.pub": ("ssh-ed25519 AAAA", "String")})
    assert found.key is not None
    assert not found.notes


def test_nothing_shows_a_value_when_it_is_printed() -> None:
    found = given({"app/env/a": "hunter-22", "app/ssh/key": KEY})
    assert "hunter-22" not in repr(found)
    assert "b3Blb" not in repr(found)


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("hunter-22", ["hunter-22"]),
        ("short", []),
        ("äöü", ["äöü"]),
        ("first line\nsecond line\nx", ["first line\nsecond line\nx", "first line", "second line"]),
        ("with an end\n", ["with an end\n", "with an end"]),
    ],
)
def test_values_are_hidden_whole_and_line_by_line(value: str, texts: list[str]) -> None:
    assert list(hidden(value)) == texts


def test_the_names_in_lists_are_no_secrets() -> None:
    names = ("allowed_pipelines", "allowed_teams", "repository", "env/repository", "ssh/key")
    hide = [name for name in names if hides(Parameter(f"/p/app/{name}", "String", "x"))]
    assert hide == ["env/repository", "ssh/key"]
