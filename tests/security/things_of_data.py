"""Protected things that hold data: tables and their rows, parameters, KMS keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mayfly.iam.evaluation import Policy
from mayfly_cli.templates.resolution import ACCOUNT, REGION
from tests.security import deployed
from tests.security.authorization import Action
from tests.security.principals import role_id
from tests.security.thing import Context, Thing, tagged


def table_arn(name: str, stack: str = deployed.STACK) -> str:
    """ARN of a table, `fleet` or `mailbox`."""
    return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{stack}-{name}"


def _of_rows(action: Action) -> bool:
    return "dynamodb:leadingkeys" in action.keys


def tables() -> Iterator[Thing]:
    for stack, suffix, of in (
        (deployed.STACK, "", ""),
        (deployed.OTHER_STACK, "-of-stack-2", " of another stack"),
    ):
        resources = deployed.control(stack)
        fleet = tuple(deployed.table_statements(resources, "FleetTable"))
        mailbox = tuple(deployed.table_statements(resources, "MailboxTable"))
        row: Context = {"dynamodb:LeadingKeys": ["instance#i-0c"]}
        yield Thing(
            f"fleet/table{suffix}",
            f"the Fleet table{of}",
            table_arn("fleet", stack),
            tagged(resources["FleetTable"]),
            (row,),
            policy=fleet,
        )
        index = f"{table_arn('fleet', stack)}/index/open"
        yield Thing(f"fleet/index{suffix}", f"Fleet's index{of}", index, {}, (row,), policy=fleet)
        yield Thing(
            f"mailbox/table{suffix}",
            f"the Mailbox table as a whole{of}",
            table_arn("mailbox", stack),
            tagged(resources["MailboxTable"]),
            policy=mailbox,
            takes=lambda action: not _of_rows(action),
        )
        stream = f"{table_arn('mailbox', stack)}/stream/2026-01-01T00:00:00.000"
        yield Thing(f"mailbox/stream{suffix}", f"the Mailbox's stream{of}", stream, {})


def _written(*attributes: str) -> Context:
    return {"dynamodb:Attributes": list(attributes), "dynamodb:ReturnValues": "NONE"}


PARTS: Mapping[str, Context] = {
    "report": _written("key", "report"),
    "assignment": _written("key", "assignment", "expires"),
    "notice": _written("key", "notice", "expires"),
    "order": _written("key", "order", "expires"),
}
"""By part of a row: the keys of a request that names its attributes."""
IN_A_TRANSACTION: Context = {"dynamodb:EnclosingOperation": ["TransactWriteItems"]}


def row_of(kind: str, instance: str, key: str = "linux", stack: str = deployed.STACK) -> str:
    """Key of an instance's Mailbox row under one of its roles."""
    return f"{role_id(kind, key, stack)}:{instance}"


def rows() -> Iterator[Thing]:
    policy = tuple(deployed.table_statements(deployed.control(), "MailboxTable"))
    own = ["${aws:userid}"]
    rows: tuple[tuple[str, str, list[str]], ...] = (
        ("own", "its own Mailbox row", own),
        ("bootstrap", "another instance's bootstrap row", [row_of("bootstrap", "i-0b")]),
        ("sandbox", "another instance's sandbox row", [row_of("sandbox", "i-0c")]),
        ("queue-2", "a row of another queue", [row_of("sandbox", "i-0d", "linux2")]),
        ("notice", "another instance's notice", [f"notice/{row_of('sandbox', 'i-0c')}"]),
        ("own-notice", "its own notice", ["notice/${aws:userid}"]),
        ("start", "another instance's order", [f"start/{row_of('sandbox', 'i-0c')}"]),
        ("own-start", "its own order", ["start/${aws:userid}"]),
        ("own-and-another", "its own row and another", [*own, row_of("sandbox", "i-0c")]),
    )
    for row, title, keys in rows:
        for part, attributes in {**PARTS, "any": {}}.items():
            of = {"any": "no attribute named"}.get(part, f"attribute {part}")
            yield Thing(
                f"row/{row}/{part}",
                f"{title} ({of})",
                table_arn("mailbox"),
                {"dynamodb:LeadingKeys": keys, **attributes},
                ({}, IN_A_TRANSACTION),
                policy=policy,
                takes=_of_rows,
            )
    yield Thing(
        "row/stack-2/any",
        "a Mailbox row of another stack",
        table_arn("mailbox", deployed.OTHER_STACK),
        {"dynamodb:LeadingKeys": [row_of("sandbox", "i-0e", stack=deployed.OTHER_STACK)]},
        tuple({**way, **what} for way in ({}, IN_A_TRANSACTION) for what in ({}, *PARTS.values())),
        policy=tuple(
            deployed.table_statements(deployed.control(deployed.OTHER_STACK), "MailboxTable")
        ),
        takes=_of_rows,
    )


def parameter_arn(name: str) -> str:
    """ARN of the parameter with this name, which begins with a slash."""
    return f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{name}"


def parameters() -> Iterator[Thing]:
    ours = f"/mayfly/{deployed.STACK}/queues"
    with_tags = {
        "bundle": tagged(deployed.control()["BundleParameter"]),
        "published": tagged(deployed.queue()["Published"]),
    }
    for name, title, path in (
        ("token", "the cluster's agent token", "/buildkite/mayfly/agent-token"),
        ("script", "the parameter bootstrap/script", f"{ours}/linux/bootstrap/script"),
        ("root", "the parameter job/root", f"{ours}/linux/job/root"),
        ("agent", "the parameter agent/config", f"{ours}/linux/agent/config"),
        (
            "keep",
            "the parameter debug/keep-failed-minutes",
            f"{ours}/linux/debug/keep-failed-minutes",
        ),
        ("policy", "a policy rule", f"{ours}/linux/policy/rules/deploy"),
        ("pool", "the parameter pool/hot", f"{ours}/linux/pool/hot"),
        ("queue-2", "a parameter of another queue", f"{ours}/linux2/bootstrap/script"),
        ("stack-2", "a parameter of another stack", "/mayfly/acme-2/queues/linux/imds"),
        ("tree", "all parameters of the stack, by path", f"/mayfly/{deployed.STACK}"),
        ("bundle", "the published bundle", f"/mayfly-infra/{deployed.STACK}/bundle"),
        ("published", "a queue's published facts", f"/mayfly-infra/{deployed.STACK}/queues/linux"),
        ("infra-tree", "all published facts, by path", f"/mayfly-infra/{deployed.STACK}"),
        ("infra-2", "published facts of another stack", "/mayfly-infra/acme-2/bundle"),
    ):
        yield Thing(f"parameter/{name}", title, parameter_arn(path), with_tags.get(name, {}))
    for name, path in (("root", "/"), ("parent", "/buildkite/mayfly")):
        yield Thing(
            f"token-path/{name}",
            f"the path {path}, above the token",
            parameter_arn(path),
            {},
            ({"ssm:Recursive": "true"},),
            takes=lambda action: action.name == "ssm:GetParametersByPath",
        )


VIA_SSM: Context = {"kms:ViaService": f"ssm.{REGION}.amazonaws.com"}
"""Condition keys of a request that Parameter Store sends for its caller."""


def secrets() -> Iterator[Thing]:
    """Secrets of jobs: parameters, the folders that they lie in, and the queues' own keys."""
    ours, other = deployed.secrets_path(), deployed.secrets_path("linux2")
    found = {
        "repository": ("a secret of the repository", f"{ours}/{deployed.FOLDER}/env/token"),
        "list": (
            "the repository's list of pipelines",
            f"{ours}/{deployed.FOLDER}/allowed_pipelines",
        ),
        "global": ("a secret of the whole queue", f"{ours}/global/env/token"),
        "queue-2": ("a secret of another queue", f"{other}/global/env/token"),
    }
    for name, (title, path) in found.items():
        yield Thing(f"secret/{name}", title, parameter_arn(path), {})
    for name, title, path in (
        ("repository", "the repository's folder of secrets", f"{ours}/{deployed.FOLDER}"),
        ("queue", "the queue's folder of secrets", ours),
        ("queue-2", "another queue's folder of secrets", other),
    ):
        yield Thing(
            f"secret-path/{name}",
            title,
            parameter_arn(path),
            {},
            ({}, {"ssm:Recursive": "true"}),
            takes=lambda action: action.name == "ssm:GetParametersByPath",
        )
    for name, key in (("repository", "linux"), ("global", "linux"), ("queue-2", "linux2")):
        title, path = found[name]
        context = {"kms:EncryptionContext:PARAMETER_ARN": parameter_arn(path)}
        yield Thing(
            f"secret-key/{name}",
            f"the queue's own key, for {title}",
            deployed.secrets_key(key),
            {"kms:EncryptionContextKeys": [*context.values()], **context},
            ({}, VIA_SSM),
            policy=tuple(
                deployed.queue(key)["QueueSecretsKey"]["Properties"]["KeyPolicy"]["Statement"]
            ),
            policy_must_allow=True,
        )


KEY_POLICY: Policy = (
    {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "kms:*",
        "Resource": "*",
    },
)
"""The policy that KMS gives a key by default: the account's policies decide."""


def keys() -> Iterator[Thing]:
    token = parameter_arn("/buildkite/mayfly/agent-token")
    yield Thing(
        "key/token",
        "the token's KMS key, for the token",
        deployed.TOKEN_KEY,
        {"kms:EncryptionContext:PARAMETER_ARN": token, "kms:EncryptionContextKeys": [token]},
        policy=KEY_POLICY,
        policy_must_allow=True,
    )
    yield Thing(
        "key/volume",
        "a volumes' KMS key with Mayfly's tag",
        f"arn:aws:kms:{REGION}:{ACCOUNT}:key/volumes",
        {"aws:ResourceTag/mayfly-stack": deployed.STACK},
        policy=KEY_POLICY,
        policy_must_allow=True,
    )
