"""Kept credentials of both host roles, with policies that a careless operator has attached.

The bootstrap script of one queue, and a job of the same queue, which has `imds: job`, send their
credentials out. From outside, while the job runs, the attacker makes every call with nothing and
with AWS's own wide policies attached to both roles. With AdministratorAccess the same credentials
make the same calls on things of the attacker: those pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from attacks.asking import Ask, Caller, assert_passed, assert_refused, summary
from attacks.collector import Collector
from attacks.conftest import Seen
from attacks.held import ADMINISTRATOR, Held
from attacks.host_calls import (
    ON_MAYFLYS,
    ON_THINGS,
    associate,
    of_iam,
    profiles,
    rows,
    table_control,
)
from attacks.kept import (
    BOOTSTRAP,
    QUEUES,
    ROLES,
    SANDBOX,
    SCRIPT,
    TAKEN,
    VICTIM,
    push,
    role_of,
    take,
)
from attacks.rows import attack
from attacks.things import OWN, fleet, mayflys, owned
from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.lab import SCRIPTS as BUCKET
from stories.stage import QUICK, Stage

PARAMETERS = QUEUES
SCRIPTS = {TAKEN: SCRIPT}
DELAYS = replace(QUICK, minute=10.0)


@pytest.fixture(scope="module")
def held(stage: Stage, collector: Collector) -> Iterator[Held]:
    host = take(stage, collector, push(stage, collector))
    (victim,) = stage.ready(VICTIM)
    own = owned(stage)
    yield Held(host, own, mayflys(stage, own, victim, VICTIM, TAKEN))
    host.let_go()


def assert_all_refused(held: Held, seen: Seen, kind: str, asks: Sequence[Ask]) -> None:
    """Assert that policies refuse every call, whatever is attached; show what was seen."""
    found = held.told(kind, asks)
    for who, told in found.items():
        assert_refused(told, who)
    every = [each for told in found.values() for each in told]
    seen(f"{len(asks)} calls, each as {len(found)} principals: {summary(every)}")


def assert_own_pass(held: Held, seen: Seen, asks: Sequence[Ask]) -> None:
    """Assert that the calls pass on things of the attacker, with AdministratorAccess."""
    with held.attached(ADMINISTRATOR):
        told = held.callers[SANDBOX].all(asks)
    assert_passed(told)
    seen(f"the same on own things: {summary(told)}")


def _try(held: Held, seen: Seen, kind: str, *further: Ask) -> None:
    """Assert that the calls of a kind, and further ones, are refused on Mayfly's things alone."""
    asks = [*ON_THINGS[kind](held.mayfly), *further]
    if kind in ON_MAYFLYS:
        asks += ON_MAYFLYS[kind](held.mayfly)
    assert_all_refused(held, seen, kind, asks)
    assert_own_pass(held, seen, ON_THINGS[kind](held.own))


_WIDE = (
    " by a host's kept credentials, with nothing, PowerUserAccess, AdministratorAccess or the"
    " service's full access attached"
)
_BY = "IAM, by explicit Denies in the policies of the host's role"


@attack(
    "Functions of the control plane, the layer of hosts, and event source mappings," + _WIDE,
    refused_by=_BY,
    mechanism="Denies on names that begin with the stack's name, and on mappings by the"
    " condition key"
    " lambda:FunctionArn",
)
def test_functions_with_attached_policies(held: Held, seen: Seen) -> None:
    _try(held, seen, "functions")


@attack(
    "Another queue's instance that waits for a job: root volume replaced, commands, keys of"
    " SSH, user data, tags, image, snapshot, template, power," + _WIDE,
    refused_by=_BY,
    mechanism="everything but Describe is denied on whatever carries mayfly-stack",
)
def test_instances_with_attached_policies(held: Held, seen: Seen) -> None:
    _try(held, seen, "instances")


@attack(
    "The profile of an instance, each way, and a launch with the bootstrap profile," + _WIDE,
    refused_by=_BY,
    mechanism="the three actions on associations are denied on every instance; every action,"
    " PassRole too, is denied on roles and profiles below /mayfly/",
)
def test_profiles_with_attached_policies(held: Held, seen: Seen) -> None:
    ec2 = held.stage.lab.aws.client("ec2")
    found = ec2.describe_iam_instance_profile_associations(
        Filters=[{"Name": "instance-id", "Values": [held.host.instance]}]
    )["IamInstanceProfileAssociations"]
    mine = replace(held.mayfly, instance=held.host.instance)
    published = held.stage.published(TAKEN)
    asks = [
        ask
        for kind in ROLES
        for ask in profiles(mine, found[0]["AssociationId"], published[f"{kind}_profile"])
    ]
    asks.append(associate(held.mayfly.instance, published["sandbox_profile"]))
    assert_all_refused(held, seen, "profiles", asks)
    launch = profiles(held.own, "", published["bootstrap_profile"])[-1]
    made = held.administrator.make(launch)
    assert_passed([made])
    seen(f"the launch by the account's administrator: {summary([made])}")


@attack(
    "The cluster's token and parameters: by name, list, history, path; changes," + _WIDE,
    refused_by=_BY,
    mechanism="denied are every action on the token's parameter, changes and listings below"
    " /mayfly*, and for paths the use of a key with the token's encryption context",
)
def test_parameters_with_attached_policies(held: Held, seen: Seen) -> None:
    _try(held, seen, "parameters")


@attack(
    "A single parameter of another queue, by name, with bootstrap and AmazonSSMFullAccess",
    refused_by="nobody for bootstrap; IAM for the sandbox role",
    mechanism="bootstrap reads its own queue's parameters, and no ARN says every queue but one",
    remains="Parameters hold no secret. Attach no policy that reads parameters to bootstrap.",
)
def test_a_parameter_of_another_queue(held: Held, seen: Seen) -> None:
    read = Ask("ssm", "get_parameter", {"Name": held.mayfly.parameter})
    assert_refused([held.callers[role].make(read) for role in ROLES], "with nothing")
    with held.attached("AmazonSSMFullAccess"):
        told = {role: held.callers[role].make(read) for role in ROLES}
    assert_passed([told[BOOTSTRAP]])
    assert_refused([told[SANDBOX]])
    seen("; ".join(f"{role}: {summary([each])}" for role, each in told.items()))


@attack(
    "The token's ciphertext decrypted, or encrypted again under an own key," + _WIDE,
    refused_by=_BY,
    mechanism="kms:Decrypt and kms:ReEncryptFrom are denied with the token's encryption context",
)
def test_keys_with_attached_policies(held: Held, seen: Seen) -> None:
    for caller in held.callers.values():
        own = [caller.ask("kms", method) for method in ("list_keys", "create_key")]
        assert_refused(own, "with nothing")
    _try(held, seen, "keys")


@attack(
    "The own queue's bootstrap script and its bucket: written, copied over, deleted," + _WIDE,
    refused_by=_BY,
    mechanism="everything but reads is denied in the bucket of ScriptPrefix, and on the bucket"
    " itself",
)
def test_scripts_with_attached_policies(held: Held, seen: Seen) -> None:
    _try(held, seen, "scripts")


@attack(
    "Another queue's script in the same bucket, by a host with AmazonS3FullAccess",
    refused_by=_BY,
    mechanism="everything but reads is denied in the bucket of ScriptPrefix",
)
def test_another_queues_script_in_the_same_bucket(held: Held, seen: Seen) -> None:
    put = Ask("s3", "put_object", {"Bucket": BUCKET, "Key": f"{VICTIM}/script", "Body": b"evil"})
    with held.attached("AmazonS3FullAccess"):
        told = {role: held.callers[role].make(put) for role in ROLES}
    assert_refused(list(told.values()))
    passed = held.administrator.all([put])
    assert_passed(passed)
    refused = "; ".join(f"{role}: {summary([each])}" for role, each in told.items())
    seen(f"{refused}; the account's administrator: {summary(passed)}")


@attack(
    "Another queue's script in a bucket of its own, by a host with AmazonS3FullAccess",
    refused_by="nobody; a host runs no script that differs from its pin",
    mechanism="a queue's stack knows the bucket of its own ScriptPrefix alone; bootstrap/script"
    " pins version and SHA-256",
    remains="The write succeeds. Pin the script, or close the bucket by its own policy.",
)
def test_another_queues_script_in_another_bucket(held: Held, seen: Seen) -> None:
    s3 = held.stage.lab.aws.client("s3")
    s3.create_bucket(Bucket=_OF_OTHERS)
    put = Ask("s3", "put_object", {"Bucket": _OF_OTHERS, "Key": "script", "Body": b"evil"})
    assert_refused([caller.make(put) for caller in held.callers.values()])
    with held.attached("AmazonS3FullAccess"):
        told = held.callers[SANDBOX].make(put)
    assert not told.code
    s3.put_bucket_policy(Bucket=_OF_OTHERS, Policy=_ONLY_ADMINISTRATORS_WRITE)
    with held.attached("AmazonS3FullAccess"):
        closed = held.callers[SANDBOX].make(put)
    assert closed.by == "Deny in resource-based policy"
    seen(f"the write: {summary([told])}; with a policy of the bucket: {summary([closed])}")


_OF_OTHERS = "scripts-of-others"


_ONLY_ADMINISTRATORS_WRITE = f"""{{"Version": "2012-10-17", "Statement": [{{
  "Effect": "Deny", "Principal": "*", "Action": ["s3:PutObject", "s3:DeleteObject"],
  "Resource": "arn:aws:s3:::{_OF_OTHERS}/*",
  "Condition": {{"ArnLike": {{"aws:PrincipalArn": "arn:aws:iam::{ACCOUNT}:role/mayfly/*"}}}}
}}]}}"""


@attack(
    "The stack, the queue of nudges, rules, logs, metrics and alarms of the control plane," + _WIDE,
    refused_by=_BY,
    mechanism="Denies on names that begin with the stack's name and on the namespace Mayfly;"
    " the policies"
    " of the queues",
)
def test_surroundings_with_attached_policies(held: Held, seen: Seen) -> None:
    _try(held, seen, "surroundings")


@attack(
    "Roles, users, policies and trust: of Mayfly and of the attacker," + _WIDE,
    refused_by=_BY,
    mechanism="every action that changes IAM is denied on every resource",
)
def test_iam_with_attached_policies(held: Held, seen: Seen) -> None:
    own = of_iam(OWN)
    roles = [role_of(held.stage, queue, BOOTSTRAP) for queue in (TAKEN, VICTIM)]
    asks = [ask for role in (*roles, held.mayfly.role) for ask in of_iam(role)] + [*own]
    assert_all_refused(held, seen, "iam", asks)
    told = held.administrator.all(own)
    assert_passed(told)
    seen(f"the same on an own role by the account's administrator: {summary(told)}")


@attack(
    "Sessions of the functions' roles and of other queues' roles, by AssumeRole," + _WIDE,
    refused_by=_BY + ", and the roles' trust policies",
    mechanism="every action is denied on roles below /mayfly/, which trust one service each",
)
def test_sessions_of_mayflys_roles(held: Held, seen: Seen) -> None:
    published = held.stage.published(VICTIM)
    roles = (held.mayfly.role_arn, published["bootstrap_role"], published["sandbox_role"])
    asks = [_assume(role) for role in roles]
    assert_all_refused(held, seen, "sts", asks)
    administrator = held.administrator.all(asks)
    assert_refused(administrator)
    seen(f"by the account's administrator: {summary(administrator)}")


def _assume(role: str) -> Ask:
    return Ask("sts", "assume_role", {"RoleArn": role, "RoleSessionName": "i-1"})


@attack(
    "A chain: a host with AdministratorAccess takes a session of another role of the account",
    refused_by="the tables' policies, and provision",
    mechanism="no Deny follows into a session of another role; the Mailbox is closed to such"
    " a session, and Fleet takes no write; provision refuses a queue whose attached policies"
    " allow AssumeRole",
    remains="The session may do what the other role may. Attach no policy that allows"
    " sts:AssumeRole on roles that trust the account.",
)
def test_a_chain_of_roles(held: Held, seen: Seen) -> None:
    stage = held.stage
    iam = stage.lab.aws.client("iam")
    everything = f"arn:aws:iam::aws:policy/{ADMINISTRATOR}"
    iam.attach_role_policy(RoleName=OWN, PolicyArn=everything)
    with held.attached(ADMINISTRATOR):
        host = held.callers[SANDBOX].client("sts")
        given = host.assume_role(RoleArn=held.own.role_arn, RoleSessionName="chained")
        refused = stage.until("provision refuses the queue", lambda: _refused(stage))
    keys = replace(
        stage.lab.aws.administrator,
        access_key=given["Credentials"]["AccessKeyId"],
        secret_key=given["Credentials"]["SecretAccessKey"],
        token=given["Credentials"]["SessionToken"],
    )
    chained = Caller(stage.lab.aws.endpoint, keys)
    told = chained.all(rows(held.mayfly.table))
    writes = [ask for ask in rows(fleet(VICTIM)) if ask.method in {"put_item", "update_item"}]
    told += chained.all(writes)
    assert_refused(told)
    assert {each.by for each in told} == {"Deny in resource-based policy"}
    assert_passed([chained.ask("iam", "list_roles")])
    seen(f"on the tables: {summary(told)}; provision: {refused}")


def _refused(stage: Stage) -> str:
    roles = stage.queue(TAKEN).roles
    return roles.refused.partition(";")[0] if roles is not None else ""


@attack(
    "Records of the control plane and their table: every read and write," + _WIDE,
    refused_by=_BY + " and of the table",
    mechanism="dynamodb:* is denied on every table *-fleet",
)
def test_fleet_with_attached_policies(held: Held, seen: Seen) -> None:
    table = fleet(VICTIM)
    assert_all_refused(held, seen, "rows", [*rows(table), *table_control(table)])
    read = held.administrator.ask("dynamodb", "get_item", TableName=table.name, Key=table.key)
    assert_passed([read])
    seen(f"a read by the account's administrator: {summary([read])}")


@attack(
    "Rows, table and stream of the Mailbox: another instance's rows, assignment and notice,"
    " PartiQL, transactions, backups," + _WIDE,
    refused_by=_BY + " and of the table",
    mechanism="both policies leave the own row alone, and there only the report",
)
def test_the_mailbox_with_attached_policies(held: Held, seen: Seen) -> None:
    record = held.stage.instance(held.mayfly.instance)
    _try(held, seen, "rows", *rows(replace(held.mayfly.table, row=record.bootstrap_row or "")))
