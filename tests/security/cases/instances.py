"""Cases: instances on their way, and their parts."""

from __future__ import annotations

from mayfly_cli.templates.resolution import ACCOUNT, REGION
from tests.security.case import Case
from tests.security.principals import profile_arn

EC2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
SCALING = f"arn:aws:autoscaling:{REGION}:{ACCOUNT}"
FOREIGN = f"{EC2}:instance/i-0f"
REPLACE = "ec2:ReplaceIamInstanceProfileAssociation"
TO_SANDBOX = {"ec2:NewInstanceProfile": profile_arn("sandbox")}
TO_BOOTSTRAP = {"ec2:NewInstanceProfile": profile_arn("bootstrap")}
TO_EC2 = {"iam:PassedToService": "ec2.amazonaws.com"}
POWER, ADMIN, EC2_FULL = "PowerUserAccess", "AdministratorAccess", "AmazonEC2FullAccess"
SSM_FULL, S3_FULL = "AmazonSSMFullAccess", "AmazonS3FullAccess"


def _denied_on_instances() -> tuple[Case, ...]:
    """Ways to act as an instance that is still bootstrap, or to change what it is."""
    ways = (
        ("replace the root volume of", "ec2:CreateReplaceRootVolumeTask", EC2_FULL),
        ("change the user data of", "ec2:ModifyInstanceAttribute", EC2_FULL),
        ("open the metadata service of", "ec2:ModifyInstanceMetadataOptions", EC2_FULL),
        ("make an image of", "ec2:CreateImage", EC2_FULL),
        ("make snapshots of", "ec2:CreateSnapshots", EC2_FULL),
        ("attach a volume to", "ec2:AttachVolume", EC2_FULL),
        ("detach a volume from", "ec2:DetachVolume", EC2_FULL),
        ("attach a network interface to", "ec2:AttachNetworkInterface", EC2_FULL),
        ("read the password of", "ec2:GetPasswordData", EC2_FULL),
        ("read the console of", "ec2:GetConsoleOutput", EC2_FULL),
        ("reboot", "ec2:RebootInstances", EC2_FULL),
        ("stop", "ec2:StopInstances", EC2_FULL),
        ("start", "ec2:StartInstances", EC2_FULL),
        ("terminate", "ec2:TerminateInstances", EC2_FULL),
        ("send an SSH key to", "ec2-instance-connect:SendSSHPublicKey", POWER),
        (
            "send a key to the serial console of",
            "ec2-instance-connect:SendSerialConsoleSSHPublicKey",
            POWER,
        ),
        ("run a command by SSM on", "ssm:SendCommand", SSM_FULL),
        ("open a session by SSM on", "ssm:StartSession", SSM_FULL),
        ("register an association of SSM for", "ssm:CreateAssociation", SSM_FULL),
    )
    return tuple(
        Case(
            f"{title} with {attached} cannot {way} an instance that is still bootstrap",
            who,
            action,
            "instance/bootstrap",
            attached=attached,
        )
        for who, title in (("job", "A job"), ("bootstrap", "Set-up"))
        for way, action, attached in ways
    )


INSTANCES = (
    *_denied_on_instances(),
    *(
        Case(f"Set-up with {EC2_FULL} {word} {way}", "bootstrap", action, thing, {}, EC2_FULL)
        for word, way, action, thing in (
            ("can", "attach a volume to its own instance", "ec2:AttachVolume", "instance/own"),
            ("can", "attach a volume of others", "ec2:AttachVolume", f"{EC2}:volume/vol-0f"),
            ("cannot", "attach a volume of an instance", "ec2:AttachVolume", "part/volume"),
            ("cannot", "detach a volume of an instance", "ec2:DetachVolume", "part/volume"),
            ("can", "give its own instance an address", "ec2:AssociateAddress", "instance/own"),
            (
                "cannot",
                "give an address to an instance's interface",
                "ec2:AssociateAddress",
                "part/interface",
            ),
        )
    ),
    Case(
        f"A job with {EC2_FULL} cannot attach a volume to its own instance",
        "job",
        "ec2:AttachVolume",
        "instance/own",
        {},
        EC2_FULL,
    ),
    *(
        Case(
            f"A job with AdministratorAccess cannot {verb} the profile of {which}",
            "job",
            f"ec2:{action}IamInstanceProfile{rest}",
            thing,
            attached=ADMIN,
        )
        for verb, action, rest in (
            ("replace", "Replace", "Association"),
            ("remove", "Disassociate", ""),
            ("set", "Associate", ""),
        )
        for which, thing in (
            ("its own instance", "instance/own"),
            ("an instance of another queue", "instance/queue-2"),
            ("an instance of another stack", "instance/stack-2"),
        )
    ),
    Case(
        "Set-up with AdministratorAccess cannot replace the profile of its own instance",
        "bootstrap",
        REPLACE,
        "instance/own",
        TO_SANDBOX,
        ADMIN,
    ),
    Case(
        "A job with AdministratorAccess cannot replace the profile of an instance of others",
        "job",
        REPLACE,
        FOREIGN,
        {},
        ADMIN,
    ),
    Case(
        "A job with AmazonEC2FullAccess cannot take Mayfly's tag off its own instance",
        "job",
        "ec2:DeleteTags",
        "instance/own",
        {"aws:TagKeys": ["mayfly-stack"]},
        EC2_FULL,
    ),
    *(
        Case(
            f"A job with AmazonEC2FullAccess cannot give an instance of others the tag {key}",
            "job",
            "ec2:CreateTags",
            FOREIGN,
            {"aws:TagKeys": ["Name", key]},
            EC2_FULL,
        )
        for key in ("mayfly-stack", "Mayfly-Stack", "MAYFLY-QUEUE", "mayfly-launch")
    ),
    Case(
        "A job with AmazonEC2FullAccess can give an instance of others another tag",
        "job",
        "ec2:CreateTags",
        FOREIGN,
        {"aws:TagKeys": ["Name"]},
        EC2_FULL,
    ),
    Case(
        "A job with AmazonEC2FullAccess can terminate an instance of others",
        "job",
        "ec2:TerminateInstances",
        FOREIGN,
        {},
        EC2_FULL,
    ),
    *(
        Case(f"A job with {EC2_FULL} {word} {way}", "job", action, arn, context, EC2_FULL)
        for word, way, action, arn, context in (
            (
                "cannot",
                "copy an instance's profile into a launch configuration",
                "autoscaling:CreateLaunchConfiguration",
                f"{SCALING}:launchConfiguration:1:launchConfigurationName/mine",
                {},
            ),
            (
                "cannot",
                "copy an instance's profile by an Auto Scaling group from its id",
                "autoscaling:CreateAutoScalingGroup",
                f"{SCALING}:autoScalingGroup:1:autoScalingGroupName/mine",
                {},
            ),
            (
                "can",
                "make an Auto Scaling group from a version of a launch template of others",
                "autoscaling:CreateAutoScalingGroup",
                f"{SCALING}:autoScalingGroup:1:autoScalingGroupName/mine",
                {"autoscaling:LaunchTemplateVersionSpecified": "true"},
            ),
        )
    ),
    Case(
        "A job with AmazonEC2FullAccess can list instances",
        "job",
        "ec2:DescribeInstances",
        "*",
        {},
        EC2_FULL,
    ),
    Case("A job cannot list instances", "job", "ec2:DescribeInstances", "*"),
    Case(
        "A foreign role with AmazonEC2FullAccess can replace the profile of an instance",
        "foreign",
        REPLACE,
        "instance/bootstrap",
        TO_SANDBOX,
        EC2_FULL,
    ),
)

PARTS = (
    *(
        Case(
            f"A job with AmazonEC2FullAccess cannot {way}",
            "job",
            f"ec2:{action}",
            f"part/{part}",
            attached=EC2_FULL,
        )
        for way, action, part in (
            ("make a snapshot of an instance's volume", "CreateSnapshot", "volume"),
            ("detach an instance's volume", "DetachVolume", "volume"),
            ("delete an instance's volume", "DeleteVolume", "volume"),
            ("move an instance's interface", "DetachNetworkInterface", "interface"),
            (
                "change the security groups of an instance's interface",
                "ModifyNetworkInterfaceAttribute",
                "interface",
            ),
            ("mirror an instance's traffic", "CreateTrafficMirrorSession", "interface"),
            (
                "open the queue's security group",
                "AuthorizeSecurityGroupIngress",
                "security-group",
            ),
            ("delete the queue's security group", "DeleteSecurityGroup", "security-group"),
            (
                "add a version to the launch template",
                "CreateLaunchTemplateVersion",
                "launch-template",
            ),
            ("change the launch template's default", "ModifyLaunchTemplate", "launch-template"),
            ("delete the launch template", "DeleteLaunchTemplate", "launch-template"),
            ("launch an instance from the launch template", "RunInstances", "launch-template"),
            ("end a launch's fleet", "DeleteFleets", "fleet"),
        )
    ),
    Case(
        "A job with AmazonEC2FullAccess can make a snapshot of a volume of others",
        "job",
        "ec2:CreateSnapshot",
        f"{EC2}:volume/vol-0f",
        {},
        EC2_FULL,
    ),
)
