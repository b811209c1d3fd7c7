"""Every parameter: valid, invalid, absent; and the texts of problems."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mayfly.config.parameters import DESCRIPTIONS, QueueParameters
from mayfly.config.queue import DEFAULT_TYPES, QueueConfig, Script
from mayfly.config.read import read_queue
from mayfly.config.rules import parse_rules
from mayfly.config.schedule import Schedule
from mayfly.config.values import architecture_of
from tests.unit.published import GIVING, infra, parameters

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
"""A public key; its 32 bytes count from 0 on."""
SECRETS = {"secrets/path": "/vendors/buildkite/{queue}"}
BESIDE = {"secrets/shared-ssh-keys": SECRETS, "secrets/ssh-during-command": SECRETS}
"""By parameter: others without which it is refused."""

VALID: dict[str, dict[str, Any]] = {
    "hot": {"0": Schedule(0), "3": Schedule(3), " 50\n": Schedule(50)},
    "stopped": {"0": Schedule(0), "3": Schedule(3)},
    "max_stopped": {
        "1": timedelta(hours=1),
        "168": timedelta(days=7),
        "2160": timedelta(days=90),
    },
    "max_idle": {
        "12": timedelta(hours=12),
        "0.5": timedelta(minutes=30),
        "168": timedelta(days=7),
    },
    "max_instances": {"1": 1, "5000": 5000},
    "max_launches_per_minute": {"1": 1, "1000": 1000},
    "per_pipeline": {"1": 1, "5000": 5000},
    "architecture": {"x86_64": "x86_64", "arm64": "arm64"},
    "instance_types": {
        "m7i.large": ("m7i.large",),
        "c7i.xlarge, m6a.2xlarge,\nm7i-flex.large": (
            "c7i.xlarge",
            "m6a.2xlarge",
            "m7i-flex.large",
        ),
        "m5.large,m5.large": ("m5.large",),
    },
    "purchase": {
        "spot": "spot",
        "on-demand": "on-demand",
        "spot-then-on-demand": "spot-then-on-demand",
        "spot-first-attempt": "spot-first-attempt",
    },
    "generation": {"2026-11-30T09:12:00Z": "2026-11-30T09:12:00Z", "blue_2": "blue_2"},
    "boot_minutes": {"1": 1, "20": 20, "120": 120},
    "grace": {"0": timedelta(0), "5": timedelta(minutes=5), "60": timedelta(hours=1)},
    "tags": {"os=linux": {"os": "linux"}, "os=linux, gpu=a10": {"os": "linux", "gpu": "a10"}},
    "max_minutes": {"1": 1, "10080": 10080},
    "attempts": {"1": 1, "10": 10},
    "root": {"no": "no", "rootless-docker": "rootless-docker"},
    "imds": {"supervisor": "supervisor", "job": "job"},
    "repository_from": {
        "/buildkite/pipelines/{pipeline}/repository": "/buildkite/pipelines/{pipeline}/repository"
    },
    "paused": {"true": True, "false": False},
    "script": {
        "s3://scripts/mayfly/set-up.sh": Script("s3://scripts/mayfly/set-up.sh", 15, 7),
        "s3://scripts/mayfly/a/b.sh minutes=60": Script("s3://scripts/mayfly/a/b.sh", 60, 7),
    },
    "agent_config": {
        "no-plugins = true\n\n# ours\ngit-clone-flags=-v --depth 1": (
            "no-plugins=true\ngit-clone-flags=-v --depth 1"
        )
    },
    "keep_failed": {"0": timedelta(), "1440": timedelta(days=1)},
    "secrets_path": {
        "/vendors/buildkite/{queue}": "/vendors/buildkite/deploy",
        "/vendors/buildkite": "/vendors/buildkite",
        "/vendors/buildkite/a.b_c-D/ci-{queue}-x": "/vendors/buildkite/a.b_c-D/ci-deploy-x",
        f"/vendors/buildkite{'/x' * 10}": f"/vendors/buildkite{'/x' * 10}",
    },
    "shared_ssh_keys": {
        "/vendors/buildkite/plugins/ssh/key": ("/vendors/buildkite/plugins/ssh/key",),
        "/vendors/buildkite/b, /vendors/buildkite/a\n/vendors/buildkite/b": (
            "/vendors/buildkite/b",
            "/vendors/buildkite/a",
        ),
    },
    "ssh_during_command": {"true": True, "false": False},
    "known_hosts": {
        f"github.com {HOST_KEY}": f"github.com {HOST_KEY}\n",
        f"# pinned\n\n[ssh.github.com]:443,a.b {HOST_KEY} ours\r\n@revoked * {HOST_KEY}": (
            f"[ssh.github.com]:443,a.b {HOST_KEY}\n@revoked * {HOST_KEY}\n"
        ),
        f"|1|c2FsdA==|aGFzaA==\t{HOST_KEY}": f"|1|c2FsdA==|aGFzaA== {HOST_KEY}\n",
        f"@cert-authority *.acme.example {HOST_KEY}": (
            f"@cert-authority *.acme.example {HOST_KEY}\n"
        ),
    },
    "over_443": {
        "github.com": ("github.com",),
        "gitlab.com, bitbucket.org\ngithub.com": ("gitlab.com", "bitbucket.org", "github.com"),
    },
}

COUNTS = ["", "ten", "-1", "+1", "1.5", "1e3", "1_000", "٣", "99999999", "auto", "auto 0.95"]
INVALID: dict[str, list[str]] = {
    "hot": [*COUNTS, "5001", "2; Mon-Fri 08:00-18:00 Europe/Berlin = 5001"],
    "stopped": [*COUNTS, "5001", "2; Mon-Fri 08:00-18:00 Europe/Berlin = 5001"],
    "max_stopped": [*COUNTS, "0", "2161"],
    "max_idle": ["0", "0.01", "169", "12h", "", "-1", "1e2", ".5"],
    "max_instances": [*COUNTS, "0", "5001"],
    "max_launches_per_minute": [*COUNTS, "0", "1001"],
    "per_pipeline": [*COUNTS, "0", "5001"],
    "architecture": ["amd64", "X86_64", "x86_64,arm64", ""],
    "instance_types": [
        *("", "large", "m7i", "m7i.huge", "mac2.metal", "m7i.large;m5.large"),
        f"m7i-{'a' * 40}.large",
        ",".join(f"m7i.{size}xlarge" for size in range(2, 23)),
    ],
    "purchase": ["Spot", "ondemand", "on-demand,spot", ""],
    "generation": ["", "two words", "a/b", "a" * 65, "é"],
    "boot_minutes": [*COUNTS, "0", "121"],
    "grace": [*COUNTS, "61"],
    "tags": [
        *("linux", "os=", "=linux", "queue=other", "arch=arm64", "instance-type=m5.large"),
        *("aws:instance-id=i-1", "os=linux,os=mac", "os=*", "a b=c"),
    ],
    "max_minutes": [*COUNTS, "0", "10081"],
    "attempts": [*COUNTS, "0", "11"],
    "root": ["podman", "true", "YES", ""],
    "imds": ["on", "none", "root", ""],
    "repository_from": [
        "/buildkite/pipelines/repository",
        "buildkite/pipelines/{pipeline}/repository",
        "/buildkite/{pipeline}/{pipeline}/repository",
        "/buildkite/x-{pipeline}/repository",
        "/buildkite/{pipeline}/secret",
        "/buildkite//{pipeline}/repository",
        "/buildkite/{branch}/repository",
    ],
    "paused": ["yes", "True", "1", "", "on"],
    "script": [
        "scripts/mayfly/set-up.sh",
        "https://scripts/mayfly/set-up.sh",
        "s3://scripts",
        "s3://scripts/mayfly/",
        "s3://scripts/mayfly/../other/x.sh",
        "s3://scripts/mayfly/./x.sh",
        "s3://scripts/mayfly//x.sh",
        "s3://scripts/mayfly/x.sh minutes=0",
        "s3://scripts/mayfly/x.sh minutes=61",
        "s3://scripts/mayfly/x.sh minutes=15 root=yes",
        "s3://scripts/mayfly/x.sh?versionId=1",
    ],
    "agent_config": ["token=bkct_x", "nonsense", "no-plugin=1"],
    "keep_failed": [*COUNTS, "1441"],
    "secrets_path": [
        *("", "/", "vendors/buildkite", "/vendors/buildkite/", "/vendors//buildkite", "/vendors/*"),
        *("/vendors/{pipeline}", "/vendors/{queue", "/vendors/build kite", "/vendors/bü"),
        *("/" + "x" * 400, "/x" * 13, "arn:aws:ssm:eu-central-1:123456789012:parameter/vendors"),
    ],
    "shared_ssh_keys": [
        *("", "vendors/key", "/vendors/key/", "/vendors/{queue}/key", "/a,,/b,", "/x" * 16),
        ",".join(f"/vendors/buildkite/{n}" for n in range(11)),
    ],
    "ssh_during_command": ["", "yes", "True", "1"],
    "known_hosts": [
        *("", "# none", "github.com", "github.com ssh-ed25519", f"github.com {HOST_KEY[:-4]}"),
        f"github.com {HOST_KEY}AAAA",
        f"github.com ssh-rsa {HOST_KEY.split()[1]}",
        f"github.com ssh-dss {HOST_KEY.split()[1]}",
        f"@trusted github.com {HOST_KEY}",
        f"@revoked {HOST_KEY}",
        f"github.com gitlab.com {HOST_KEY}",
        f"gìthub.com {HOST_KEY}",
        "github.com ssh-ed25519 !!!!",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ],
    "over_443": ["", "example.org", "GitHub.com", "ssh.github.com", "github.com,", "all"],
}


def read(texts: dict[str, str], **changes: object) -> tuple[QueueConfig | None, list[str]]:
    stack = infra(**{**GIVING, **changes})
    config, problems = read_queue("deploy", stack, parameters(texts, version=7))
    return config, [str(each) for each in problems]


def test_the_tables_cover_every_parameter() -> None:
    assert VALID.keys() == INVALID.keys() == DESCRIPTIONS.keys() - {"rules", "roles"}


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [(field, text, value) for field, cases in VALID.items() for text, value in cases.items()],
)
def test_a_valid_parameter_sets_its_field(field: str, text: str, value: object) -> None:
    others = {"launch/instance-types": "m7g.large"} if text == "arm64" else {}
    name = DESCRIPTIONS[field].name
    config, problems = read({name: text, **others, **BESIDE.get(name, {})})
    assert problems == []
    assert config is not None
    assert getattr(config, field) == value


@pytest.mark.parametrize(
    ("field", "text"), [(field, text) for field, texts in INVALID.items() for text in texts]
)
def test_an_invalid_value_gives_no_configuration_and_says_what_is_allowed(
    field: str, text: str
) -> None:
    about = DESCRIPTIONS[field]
    config, problems = read({about.name: text})
    assert config is None
    assert len(problems) == 1
    assert problems[0].startswith(f'{about.name} = "')
    assert "allowed: " in problems[0]
    assert "\n" not in problems[0]


def test_a_queue_without_parameters_has_the_defaults() -> None:
    assert read({}) == (QueueConfig(queue="deploy"), [])


@pytest.mark.parametrize("field", sorted(DESCRIPTIONS.keys() - {"instance_types"}))
def test_the_stated_default_is_the_default(field: str) -> None:
    about = DESCRIPTIONS[field]
    if about.default.startswith("none"):
        assert not QueueParameters.model_fields[field].default
    else:
        assert read({about.name: about.default})[0] == read({})[0]


def test_the_default_instance_types_are_of_their_architecture() -> None:
    for architecture, types in DEFAULT_TYPES.items():
        assert {architecture_of(each) for each in types} == {architecture}
        config, _ = read({"launch/architecture": architecture})
        assert config is not None
        assert config.instance_types == types


@pytest.mark.parametrize(
    ("name", "architecture"),
    [
        ("t3.micro", "x86_64"),
        ("m7i-flex.large", "x86_64"),
        ("g4dn.xlarge", "x86_64"),
        ("u7i-12tb.224xlarge", "x86_64"),
        ("c7gn.16xlarge", "arm64"),
        ("t4g.small", "arm64"),
        ("im4gn.large", "arm64"),
        ("x2gd.metal", "arm64"),
        ("a1.xlarge", "arm64"),
        ("m8g.metal-24xl", "arm64"),
        ("mac2.metal", None),
        ("t3", None),
        ("T3.micro", None),
    ],
)
def test_the_name_of_an_instance_type_gives_its_architecture(
    name: str, architecture: str | None
) -> None:
    assert architecture_of(name) == architecture


def test_every_bad_parameter_is_reported_at_once() -> None:
    config, problems = read({"pool/hot": "x", "paused": "maybe", "policy/rules/a": "pipeline"})
    assert config is None
    assert {each.partition(" = ")[0] for each in problems} == {
        "pool/hot",
        "paused",
        "policy/rules/a",
    }


def test_rules_come_in_the_order_of_their_names() -> None:
    config, _ = read({"policy/rules/b": "pipeline=web", "policy/rules/a": "pipeline=api\nfork=no"})
    assert config is not None
    assert config.rules == (
        *parse_rules("a", "pipeline=api\nfork=no"),
        *parse_rules("b", "pipeline=web"),
    )


def test_a_bad_policy_rule_is_reported_with_its_parameter() -> None:
    _, problems = read(
        {"policy/rules/good": "pipeline=web", "policy/rules/bad": "pipeline=web x=y"}
    )
    assert len(problems) == 1
    assert problems[0].startswith('policy/rules/bad = "pipeline=web x=y": line 1, column 14: ')


@pytest.mark.parametrize("name", ["pool/cold", "pool/warm", "hot", "job/docker", "PAUSED"])
def test_an_unknown_parameter_is_reported_and_changes_nothing(name: str) -> None:
    config, problems = read({name: "3", "pool/hot": "2"})
    assert config == QueueConfig(queue="deploy", hot=Schedule(2))
    assert len(problems) == 1
    assert problems[0].startswith(f"{name}: no such parameter")


@pytest.mark.parametrize("name", ["agent/confg", "agent/Config", "agents/config", "Agent/config"])
def test_the_value_of_an_unknown_parameter_is_not_shown_because_it_may_be_a_secret(
    name: str,
) -> None:
    _, problems = read({name: "signing-key=correct-horse\ncorrect-horse"})
    assert problems == [f"{name}: no such parameter; did you mean agent/config?"]


@pytest.mark.parametrize("name", ["policy/rule/deploy", "policy/rules", "Policy/rules/a", "policy"])
def test_a_misspelt_policy_parameter_gives_no_configuration(name: str) -> None:
    config, problems = read({name: "pipeline=deploy"})
    assert config is None
    assert len(problems) == 1


@pytest.mark.parametrize(
    ("name", "text", "secret"),
    [
        ("agent/config", "token=very-secret-thing", "very-secret-thing"),
        ("agent/config", "debug=1\nendpoint: very-secret-thing", "very-secret-thing"),
        ("agent/config", "debug=1\nvery-secret-thing", "very-secret-thing"),
        ("agent/config", "nonsense=1\nVerySecretThing==", "VerySecretThing"),
        ("bootstrap/script", "https://b.s3.amazonaws.com/k?X-Sig=very-secret", "very-secret"),
        ("pool/hot", "bkct_0123456789abcdefghijklmnop", "0123456789"),
        ("policy/rules/a", "repository=https://me:hunter22@github.com/a/b", "hunter22"),
        ("hot", "bkat_0123456789abcdefghijklmnop", "0123456789"),
        (
            "ssh/known-hosts",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA",
            "b3BlbnNza",
        ),
    ],
)
def test_a_parameter_problem_shows_no_secret(name: str, text: str, secret: str) -> None:
    _, problems = read({name: text})
    assert problems
    assert secret not in "".join(problems)


def test_a_parameter_problem_is_one_line_of_bounded_length() -> None:
    _, problems = read({"pool/hot": "x\ny\x1b[31m" + "z" * 4000})
    assert "\n" not in problems[0]
    assert "\x1b" not in problems[0]
    assert len(problems[0]) < 300
