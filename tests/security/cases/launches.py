"""Cases: launches and ends of instances."""

from __future__ import annotations

from mayfly_cli.templates.resolution import ACCOUNT, REGION
from tests.security.case import ABSENT, Case
from tests.security.principals import profile_arn

EC2_FULL = "AmazonEC2FullAccess"
EC2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
RUN, FLEET = "ec2:RunInstances", "ec2:CreateFleet"
TEMPLATE = f"{EC2}:launch-template/lt-0a"
LAUNCH = {
    "aws:RequestTag/mayfly-launch": "l1",
    "aws:RequestTag/mayfly-queue": "linux",
    "aws:RequestTag/mayfly-stack": "acme",
    "aws:TagKeys": ["mayfly-launch", "mayfly-queue", "mayfly-stack"],
    "ec2:InstanceProfile": profile_arn("bootstrap"),
    "ec2:InstanceType": "m7g.large",
    "ec2:IsLaunchTemplateResource": "true",
    "ec2:LaunchTemplate": TEMPLATE,
    "ec2:MetadataHttpTokens": "required",
}
NEW = f"{EC2}:instance/*"
OWN_PART = {"ec2:LaunchTemplate": TEMPLATE, "ec2:IsLaunchTemplateResource": "true"}


def _launches() -> tuple[Case, ...]:
    wrong = (
        ("without the stack's tag", {"aws:RequestTag/mayfly-stack": ABSENT}),
        ("with another stack's tag", {"aws:RequestTag/mayfly-stack": "acme-2"}),
        ("with the stack's tag in another case", {"aws:RequestTag/mayfly-stack": "Acme"}),
        ("without the queue's tag", {"aws:RequestTag/mayfly-queue": ABSENT}),
        ("with another queue's tag", {"aws:RequestTag/mayfly-queue": "linux2"}),
        ("with an asterisk as the queue's tag", {"aws:RequestTag/mayfly-queue": "*"}),
        ("without the launch's tag", {"aws:RequestTag/mayfly-launch": ABSENT}),
        ("without a launch template", {"ec2:LaunchTemplate": ABSENT}),
        ("without a profile", {"ec2:InstanceProfile": ABSENT}),
        ("with the sandbox profile", {"ec2:InstanceProfile": profile_arn("sandbox")}),
        (
            "with another queue's profile",
            {"ec2:InstanceProfile": profile_arn("bootstrap", "linux2")},
        ),
        (
            "with another stack's profile",
            {"ec2:InstanceProfile": profile_arn("bootstrap", "linux", "acme-2")},
        ),
        ("that answers metadata without tokens", {"ec2:MetadataHttpTokens": "optional"}),
        ("whose metadata options are not told", {"ec2:MetadataHttpTokens": ABSENT}),
        ("of a size that no queue may have", {"ec2:InstanceType": "u7i-12tb.224xlarge"}),
    )
    return (
        Case(
            "The function provision can launch an instance of a queue",
            "provision",
            RUN,
            NEW,
            LAUNCH,
        ),
        *(
            Case(
                f"The function provision cannot launch an instance {how}",
                "provision",
                RUN,
                NEW,
                LAUNCH | change,
            )
            for how, change in wrong
        ),
    )


LAUNCHES = (
    *_launches(),
    *(
        Case(
            f"The function provision can launch {verb}from the launch template of a queue",
            "provision",
            action,
            "part/launch-template",
        )
        for verb, action in (("", RUN), ("a fleet ", FLEET))
    ),
    *(
        Case(
            f"The function provision cannot launch from a launch template {which}",
            "provision",
            RUN,
            "part/launch-template",
            {"aws:ResourceTag/mayfly-stack": value},
        )
        for which, value in (
            ("without the stack's tag", ABSENT),
            ("of another stack", "acme-2"),
            ("whose tag has another case", "ACME"),
        )
    ),
    *(
        Case(
            f"The function provision can launch with {part} of its template",
            "provision",
            RUN,
            arn,
            OWN_PART,
        )
        for part, arn in (
            ("the subnet", f"{EC2}:subnet/subnet-1"),
            ("the security group", f"{EC2}:security-group/sg-0a"),
            ("the image", f"arn:aws:ec2:{REGION}::image/ami-0a"),
            ("a volume", f"{EC2}:volume/*"),
            ("a network interface", f"{EC2}:network-interface/*"),
        )
    ),
    *(
        Case(
            f"The function provision cannot launch with {part} outside a launch template",
            "provision",
            RUN,
            arn,
        )
        for part, arn in (
            ("a subnet", f"{EC2}:subnet/subnet-1"),
            ("a security group", f"{EC2}:security-group/sg-0a"),
            ("an image", f"arn:aws:ec2:{REGION}::image/ami-0a"),
        )
    ),
    Case(
        "The function provision cannot launch an instance with a key pair",
        "provision",
        RUN,
        f"{EC2}:key-pair/admin",
        OWN_PART,
    ),
    Case(
        "The function provision can pass the bootstrap role to EC2",
        "provision",
        "iam:PassRole",
        "role/bootstrap",
        {"iam:PassedToService": "ec2.amazonaws.com"},
    ),
    *(
        Case(
            f"The function provision cannot pass {which}",
            "provision",
            "iam:PassRole",
            thing,
            {"iam:PassedToService": service},
        )
        for which, thing, service in (
            ("the bootstrap role to Lambda", "role/bootstrap", "lambda.amazonaws.com"),
            ("the bootstrap role without a service", "role/bootstrap", ABSENT),
            ("the sandbox role", "role/sandbox", "ec2.amazonaws.com"),
            ("a function's role", "role/dispatch", "ec2.amazonaws.com"),
        )
    ),
    Case(
        "The function provision can tag an instance as it launches it",
        "provision",
        "ec2:CreateTags",
        NEW,
        {"ec2:CreateAction": "CreateFleet", "aws:TagKeys": ["mayfly-stack"]},
    ),
    *(
        Case(
            f"The function provision cannot tag {which}",
            "provision",
            "ec2:CreateTags",
            arn,
            {"aws:TagKeys": ["mayfly-stack"]},
        )
        for which, arn in (
            ("an instance later", "instance/ready"),
            ("an instance of others", f"{EC2}:instance/i-0f"),
        )
    ),
    *(
        Case(
            f"A job with AmazonEC2FullAccess cannot tag a new instance with {key}",
            "job",
            "ec2:CreateTags",
            NEW,
            {"ec2:CreateAction": "RunInstances", "aws:TagKeys": [key, "Name"]},
            EC2_FULL,
        )
        for key in ("mayfly-stack", "Mayfly-Queue", "mayfly-launch")
    ),
    Case(
        "A job with AmazonEC2FullAccess can launch an instance without Mayfly's tags",
        "job",
        RUN,
        NEW,
        {"ec2:InstanceType": "m7g.large"},
        EC2_FULL,
    ),
)

ENDS = (
    *(
        Case(f"The function reap can {way}", "reap", action, "instance/ready")
        for way, action in (
            ("terminate an instance of its stack", "ec2:TerminateInstances"),
            ("read the console of an instance of its stack", "ec2:GetConsoleOutput"),
        )
    ),
    *(
        Case(
            f"The function reap cannot terminate an instance {which}",
            "reap",
            "ec2:TerminateInstances",
            "instance/ready",
            {"aws:ResourceTag/mayfly-stack": value},
        )
        for which, value in (
            ("without the stack's tag", ABSENT),
            ("of another stack", "acme-2"),
            ("whose tag has another case", "ACME"),
        )
    ),
    *(
        Case(
            f"The function {who} cannot terminate an instance",
            who,
            "ec2:TerminateInstances",
            "instance/ready",
        )
        for who in ("dispatch", "provision", "sandbox")
    ),
    *(
        Case(
            f"The function {who} cannot start an instance",
            who,
            "ec2:StartInstances",
            "instance/ready",
        )
        for who in ("dispatch", "sandbox", "reap")
    ),
    Case(
        "An operator can terminate an instance of the stack",
        "operator",
        "ec2:TerminateInstances",
        "instance/ready",
    ),
    Case(
        "An operator cannot terminate an instance of another stack",
        "operator",
        "ec2:TerminateInstances",
        "instance/stack-2",
    ),
    Case(
        "A viewer cannot terminate an instance",
        "viewer",
        "ec2:TerminateInstances",
        "instance/ready",
    ),
    Case(
        "A security owner cannot terminate an instance",
        "security-owner",
        "ec2:TerminateInstances",
        "instance/ready",
    ),
)
