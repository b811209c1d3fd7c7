"""What is protected: resources of the deployment, with the condition keys that AWS supplies.

A thing's `choices` are values that the requester may choose for keys of the request, such as the
attributes of an update: the sweep tries each, and the request without any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from mayfly.iam.evaluation import Policy, Values
from mayfly_cli.templates.resolution import ACCOUNT, REGION
from tests.security import deployed
from tests.security.authorization import Action, actions_on, actions_without_resource
from tests.security.principals import (
    OWN_INSTANCE,
    function_role_arn,
    profile_arn,
    role_arn,
    role_id,
)

Context = Mapping[str, Values]

SERVICES_IN_USE = (
    *("cloudformation", "cloudwatch", "dynamodb", "ec2", "ec2messages", "events", "iam", "kms"),
    *("lambda", "logs", "s3", "sns", "sqs", "ssm", "ssmmessages", "sts"),
)


@dataclass(frozen=True, slots=True)
class Thing:
    """One protected resource, or one row of a table."""

    name: str
    """`group/which`, as the list of what remains names it."""
    title: str
    arn: str
    context: Context
    """Condition keys of the resource."""
    choices: tuple[Context, ...] = ({},)
    policy: Policy = ()
    """The resource's policy."""
    policy_must_allow: bool = False
    takes: Callable[[Action], bool] = lambda action: not action.makes_the_resource
    """Which of the actions with this resource type concern the thing."""

    @property
    def actions(self) -> tuple[Action, ...]:
        """Every action that could touch the thing."""
        known = _actions_without_resource() if self.arn == "*" else actions_on(self.arn)
        return tuple(action for action in known if self.takes(action))


@cache
def _actions_without_resource() -> tuple[Action, ...]:
    return tuple(
        action for service in SERVICES_IN_USE for action in actions_without_resource(service)
    )


@cache
def things() -> Mapping[str, Thing]:
    """Every protected thing by its name."""
    found = [*_instances(), *_parts_of_instances(), *_scripts(), *_tables(), *_rows()]
    found += [*_parameters(), *_keys(), *_identities(), *_code(), *_signals(), *_stacks(), *_account()]
    return {each.name: each for each in found}


def tags(stack: str = deployed.STACK, queue: str = "linux") -> dict[str, Values]:
    """Condition keys of a resource with Mayfly's tags; EC2 knows them by two names."""
    pairs = {"mayfly-stack": stack, "mayfly-queue": queue}
    return {
        f"{service}:ResourceTag/{key}": value
        for key, value in pairs.items()
        for service in ("aws", "ec2")
    }


def _ec2(kind: str, name: str) -> str:
    return f"arn:aws:ec2:{REGION}:{ACCOUNT}:{kind}/{name}"


NEW_TAGS: tuple[Context, ...] = tuple(
    {"aws:TagKeys": [key], f"aws:RequestTag/{key}": "acme"}
    for key in ("mayfly-stack", "Mayfly-Stack", "Name")
)
"""Tags that a request may name: Mayfly's, Mayfly's in another case, another."""


def instance_keys(instance: str, profile: str, **of: str) -> dict[str, Values]:
    """Condition keys of an instance of a queue."""
    return tags(**of) | {
        "ec2:InstanceID": instance,
        "ec2:InstanceProfile": profile,
        "ec2:InstanceType": "m7a.large",
        "ec2:MetadataHttpTokens": "required",
        "ec2:MetadataHttpEndpoint": "enabled",
        "ec2:MetadataHttpPutResponseHopLimit": "1",
        "ec2:RootDeviceType": "ebs",
        "ec2:Tenancy": "default",
    }


def _instances() -> Iterator[Thing]:
    targets = tuple({"ec2:NewInstanceProfile": profile_arn(k)} for k in ("bootstrap", "sandbox"))
    choices = ({}, *targets, *NEW_TAGS)
    for name, title, instance, profile, of in (
        ("own", "its own instance", OWN_INSTANCE, "sandbox", {}),
        ("bootstrap", "an instance that is still bootstrap", "i-0b", "bootstrap", {}),
        ("ready", "an instance that is ready or runs a job", "i-0c", "sandbox", {}),
        ("queue-2", "an instance of another queue", "i-0d", "bootstrap", {"queue": "linux2"}),
        ("stack-2", "an instance of another stack", "i-0e", "bootstrap", {"stack": "acme-2"}),
    ):
        key, stack = of.get("queue", "linux"), of.get("stack", deployed.STACK)
        keys = instance_keys(instance, profile_arn(profile, key, stack), **of)
        yield Thing(f"instance/{name}", title, _ec2("instance", instance), keys, choices)
    yield Thing(
        "instance/new",
        "a new instance with Mayfly's tags",
        _ec2("instance", "*"),
        {"ec2:MetadataHttpTokens": "required", "ec2:InstanceType": "m7a.large"},
        tuple(
            {
                "aws:TagKeys": ["mayfly-launch", "mayfly-queue", "mayfly-stack"],
                "aws:RequestTag/mayfly-launch": "forged",
                "aws:RequestTag/mayfly-queue": "linux",
                "aws:RequestTag/mayfly-stack": deployed.STACK,
                "ec2:CreateAction": "RunInstances",
                "ec2:InstanceProfile": profile_arn(profile),
            }
            for profile in ("bootstrap", "sandbox")
        ),
        takes=lambda action: action.makes_the_resource or action.name == "ec2:CreateTags",
    )


def _parts_of_instances() -> Iterator[Thing]:
    of = {"stack": deployed.STACK, "queue": "linux"}
    yield Thing(
        "part/volume", "an instance's volume", _ec2("volume", "vol-0a"), tags(**of), ({}, *NEW_TAGS)
    )
    yield Thing(
        "part/interface",
        "an instance's network interface",
        _ec2("network-interface", "eni-0a"),
        tags(**of),
        ({}, *NEW_TAGS),
    )
    yield Thing(
        "part/security-group",
        "the queue's security group",
        _ec2("security-group", "sg-0a"),
        _tagged(deployed.queue()["InstanceSecurityGroup"]),
        ({}, *NEW_TAGS),
    )
    template = deployed.queue()["LaunchTemplateX8664"]["Properties"]
    (specification,) = template["TagSpecifications"]
    yield Thing(
        "part/launch-template",
        "the queue's launch template",
        _ec2("launch-template", "lt-0a"),
        _tagged({"Properties": {"Tags": specification["Tags"]}}),
        ({}, *NEW_TAGS),
    )
    yield Thing(
        "part/fleet", "a launch's EC2 fleet", _ec2("fleet", "fleet-0a"), tags(**of), ({}, *NEW_TAGS)
    )


def _tagged(resource: Mapping[str, Mapping[str, object]]) -> dict[str, Values]:
    pairs = deployed.tags_of(resource)
    return {f"{s}:ResourceTag/{k}": v for k, v in pairs.items() for s in ("aws", "ec2")}


def _scripts() -> Iterator[Thing]:
    place = f"arn:aws:s3:::{deployed.SCRIPT_PREFIX}set-up.sh"
    yield Thing("script/object", "the bootstrap script", place, {})
    bucket = f"arn:aws:s3:::{deployed.SCRIPT_BUCKET}"
    yield Thing("script/bucket", "the bootstrap script's bucket", bucket, {})


def table_arn(name: str, stack: str = deployed.STACK) -> str:
    """ARN of a table, `fleet` or `mailbox`."""
    return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{stack}-{name}"


def _of_rows(action: Action) -> bool:
    return "dynamodb:leadingkeys" in action.keys


def _tables() -> Iterator[Thing]:
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
            _tagged(resources["FleetTable"]),
            (row,),
            policy=fleet,
        )
        index = f"{table_arn('fleet', stack)}/index/open"
        yield Thing(f"fleet/index{suffix}", f"Fleet's index{of}", index, {}, (row,), policy=fleet)
        yield Thing(
            f"mailbox/table{suffix}",
            f"the Mailbox table as a whole{of}",
            table_arn("mailbox", stack),
            _tagged(resources["MailboxTable"]),
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
}
"""By part of a row: the keys of a request that names its attributes."""
IN_A_TRANSACTION: Context = {"dynamodb:EnclosingOperation": ["TransactWriteItems"]}


def row_of(kind: str, instance: str, key: str = "linux", stack: str = deployed.STACK) -> str:
    """Key of an instance's Mailbox row under one of its roles."""
    return f"{role_id(kind, key, stack)}:{instance}"


def _rows() -> Iterator[Thing]:
    policy = tuple(deployed.table_statements(deployed.control(), "MailboxTable"))
    own = ["${aws:userid}"]
    rows: tuple[tuple[str, str, list[str]], ...] = (
        ("own", "its own Mailbox row", own),
        ("bootstrap", "another instance's bootstrap row", [row_of("bootstrap", "i-0b")]),
        ("sandbox", "another instance's sandbox row", [row_of("sandbox", "i-0c")]),
        ("queue-2", "a row of another queue", [row_of("sandbox", "i-0d", "linux2")]),
        ("notice", "another instance's notice", [f"notice/{row_of('sandbox', 'i-0c')}"]),
        ("own-notice", "its own notice", ["notice/${aws:userid}"]),
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


def _parameters() -> Iterator[Thing]:
    ours = f"/mayfly/{deployed.STACK}/queues"
    tagged = {
        "bundle": _tagged(deployed.control()["BundleParameter"]),
        "published": _tagged(deployed.queue()["Published"]),
    }
    for name, title, path in (
        ("token", "the cluster's agent token", "/buildkite/mayfly/agent-token"),
        ("script", "the parameter bootstrap/script", f"{ours}/linux/bootstrap/script"),
        ("root", "the parameter job/root", f"{ours}/linux/job/root"),
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
        yield Thing(f"parameter/{name}", title, parameter_arn(path), tagged.get(name, {}))
    for name, path in (("root", "/"), ("parent", "/buildkite/mayfly")):
        yield Thing(
            f"token-path/{name}",
            f"the path {path}, above the token",
            parameter_arn(path),
            {},
            ({"ssm:Recursive": "true"},),
            takes=lambda action: action.name == "ssm:GetParametersByPath",
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


def _keys() -> Iterator[Thing]:
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


def _identities() -> Iterator[Thing]:
    passed: tuple[Context, ...] = tuple(
        {"iam:PassedToService": f"{service}.amazonaws.com"} for service in ("ec2", "lambda")
    )
    queue, control = deployed.queue(), deployed.control()
    roles = [
        ("bootstrap", "the bootstrap role", role_arn("bootstrap"), queue["BootstrapRole"]),
        ("sandbox", "the sandbox role", role_arn("sandbox"), queue["SandboxRole"]),
        ("queue-2", "another queue's bootstrap role", role_arn("bootstrap", "linux2"), None),
        ("stack-2", "another stack's sandbox role", role_arn("sandbox", "linux", "acme-2"), None),
    ]
    roles += [
        (name, f"the role of {name}", function_role_arn(name), control[f"{role}FunctionRole"])
        for name, role in (("dispatch", "Dispatch"), ("provision", "Provision"))
    ]
    for name, title, arn, role in roles:
        trust = deployed.trust_statements(role or queue["BootstrapRole"])
        yield Thing(
            f"role/{name}", title, arn, _tagged(role) if role else {}, ({}, *passed), tuple(trust)
        )
    for name, title, kind, key in (
        ("bootstrap", "the bootstrap profile", "bootstrap", "linux"),
        ("sandbox", "the sandbox profile", "sandbox", "linux"),
        ("queue-2", "another queue's profile", "sandbox", "linux2"),
    ):
        yield Thing(f"profile/{name}", title, profile_arn(kind, key), {})
    people = f"arn:aws:iam::{ACCOUNT}:policy/mayfly/{deployed.STACK}/people/Operators"
    yield Thing("policy/operators", "the operators' policy", people, {})


def _lambda(name: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:{name}"


def _code() -> Iterator[Thing]:
    control = deployed.control()
    for name in ("dispatch", "provision", "sandbox", "reap"):
        function = f"function:{deployed.STACK}-{name}"
        resource = control[f"{name.capitalize()}Function"]
        yield Thing(
            f"function/{name}",
            f"the function {name}",
            _lambda(function),
            _tagged(resource) | {"lambda:FunctionArn": _lambda(function)},
        )
    for name in ("instance", "mayfly"):
        layer = f"layer:{deployed.STACK}-{name}"
        yield Thing(f"layer/{name}", f"the layer {name}", _lambda(layer), {})
        yield Thing(
            f"layer/{name}-version", f"a version of the layer {name}", _lambda(f"{layer}:7"), {}
        )
    mapping = control["ReapFunctionNudge"]
    yield Thing(
        "mapping/reap",
        "an event source mapping of reap",
        _lambda("event-source-mapping:0e6a0f3e-7c2b-4e0f-9d27-cf6b0d0c5c11"),
        _tagged(mapping) | {"lambda:FunctionArn": _lambda(f"function:{deployed.STACK}-reap")},
    )


def _signals() -> Iterator[Thing]:
    control = deployed.control()
    for logical, title in (
        ("NudgeQueue", "the queue that wakes provision"),
        ("ReapQueue", "the queue that wakes reap"),
        ("DeadLetters", "the queue of undelivered events"),
    ):
        yield Thing(
            f"queue/{logical}",
            title,
            _named("sqs", logical),
            _tagged(control[logical]),
            policy=tuple(deployed.queue_statements(control, logical)),
        )
    for logical, title in (
        ("InstanceStateChange", "the rule for ends of instances"),
        ("DispatchFunctionTick", "the schedule of dispatch"),
    ):
        rule = _named("events", logical).replace(":acme-", ":rule/acme-")
        yield Thing(f"rule/{logical}", title, rule, _tagged(control[logical]))
    topic = _tagged(control["AlarmTopic"])
    yield Thing("topic/alarms", "the topic of alarms", _named("sns", "AlarmTopic"), topic)
    alarm = _named("cloudwatch", "DispatchErrors").replace(":acme-", ":alarm:acme-")
    yield Thing("alarm/dispatch", "an alarm", alarm, _tagged(control["DispatchErrors"]))
    for name, title, logical in (
        ("dispatch", "the log of dispatch", "DispatchLogs"),
        ("last-words", "the log of last words", "LastWords"),
    ):
        group = control[logical]["Properties"]["LogGroupName"]
        arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"
        yield Thing(f"log/{name}", title, arn, _tagged(control[logical]))
        yield Thing(f"log/{name}-stream", f"a stream of {title}", f"{arn}:log-stream:i-0c", {})


def _named(service: str, logical_id: str) -> str:
    name = deployed.physical_name(deployed.STACK, logical_id)
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{name}"


def _stacks() -> Iterator[Thing]:
    for name, title, stack in (
        ("control", "the control plane's stack", deployed.STACK),
        ("queue", "the queue's stack", f"{deployed.STACK}-linux"),
        ("queue-2", "another queue's stack", f"{deployed.STACK}-linux2"),
        ("stack-2", "another control plane's stack", deployed.OTHER_STACK),
    ):
        arn = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{stack}/0c2d9f60"
        yield Thing(f"stack/{name}", title, arn, {})


def _account() -> Iterator[Thing]:
    """Actions that IAM checks for no resource: for Mayfly by a key of the request, and all."""
    dispatch = _lambda(f"function:{deployed.STACK}-dispatch")
    for name, title, keys, only in (
        (
            "mapping/new",
            "a new event source mapping of a function of Mayfly",
            {"lambda:FunctionArn": dispatch},
            "lambda:CreateEventSourceMapping",
        ),
        (
            "alarm/metric",
            "a metric of Mayfly",
            {"cloudwatch:namespace": "Mayfly"},
            "cloudwatch:PutMetricData",
        ),
    ):
        yield Thing(name, title, "*", keys, takes=_is(only))
    for service in SERVICES_IN_USE:
        yield Thing(
            f"account/{service}", f"the account, by {service}", "*", {}, takes=_is(f"{service}:")
        )


def _is(beginning: str) -> Callable[[Action], bool]:
    return lambda action: action.name.startswith(beginning)
