"""Attacks on instances, on their tags, and on the script that they run as root."""

from __future__ import annotations

from mayfly_cli.templates.resolution import ACCOUNT, REGION
from tests.template.attacks import ACCESS_POINT, EC2, FOREIGN, INSTANCE, UNTAGGED, Row
from tests.template.test_host_rights import TAGGED

INSTANCES: list[Row] = [
    # what a job tries · actions · resource · condition keys
    (
        "change the profile of an instance on its way, of a finished one, of anybody's",
        (
            "ec2:AssociateIamInstanceProfile ec2:DisassociateIamInstanceProfile"
            " ec2:ReplaceIamInstanceProfileAssociation"
        ),
        INSTANCE,
        UNTAGGED,
    ),
    (
        "run commands on an instance of another stack",
        "ssm:SendCommand ssm:StartSession ssm:CreateAssociation ssm:GetConnectionStatus",
        INSTANCE,
        FOREIGN,
    ),
    (
        "log in to an instance",
        "ec2-instance-connect:SendSSHPublicKey ec2-instance-connect:SendSerialConsoleSSHPublicKey",
        INSTANCE,
        TAGGED,
    ),
    (
        "replace the root volume, or take an image of it",
        "ec2:CreateReplaceRootVolumeTask ec2:CreateImage ec2:CreateSnapshots",
        INSTANCE,
        TAGGED,
    ),
    (
        "read or exchange the disk of another instance",
        "ec2:AttachVolume ec2:CreateSnapshot ec2:DetachVolume ec2:ModifyVolume",
        f"{EC2}:volume/vol-1",
        TAGGED,
    ),
    ("copy the disk of another instance", "ec2:CopyVolumes", f"{EC2}:volume/vol-1", UNTAGGED),
    ("report an instance as broken", "ec2:ReportInstanceStatus", INSTANCE, UNTAGGED),
    ("bundle an instance's disk", "ec2:BundleInstance", "*", UNTAGGED),
    (
        "open the instances' security group",
        "ec2:AuthorizeSecurityGroupIngress ec2:ModifySecurityGroupRules ec2:DeleteSecurityGroup",
        f"{EC2}:security-group/sg-1",
        TAGGED,
    ),
    (
        "change or mirror a network interface",
        (
            "ec2:ModifyNetworkInterfaceAttribute ec2:CreateTrafficMirrorSession"
            " ec2:DetachNetworkInterface"
        ),
        f"{EC2}:network-interface/eni-1",
        TAGGED,
    ),
    (
        "launch by Mayfly's launch template, or give it another version",
        "ec2:CreateFleet ec2:CreateLaunchTemplateVersion ec2:ModifyLaunchTemplate ec2:RunInstances",
        f"{EC2}:launch-template/lt-1",
        TAGGED,
    ),
    ("end a fleet's instances", "ec2:DeleteFleets", f"{EC2}:fleet/fleet-1", TAGGED),
    ("read a snapshot of a disk", "ebs:GetSnapshotBlock", f"{EC2}:snapshot/snap-1", TAGGED),
    (
        "send commands to all instances by State Manager, whose targets IAM does not see",
        (
            "ssm:CreateAssociation ssm:CreateAssociationBatch ssm:StartAssociationsOnce"
            " ssm:UpdateAssociation"
        ),
        f"arn:aws:ssm:{REGION}:{ACCOUNT}:association/*",
        UNTAGGED,
    ),
    (
        "change the document of somebody's association",
        "ssm:UpdateDocument ssm:UpdateDocumentDefaultVersion",
        f"arn:aws:ssm:{REGION}:{ACCOUNT}:document/everywhere",
        UNTAGGED,
    ),
    (
        "send commands by a maintenance window",
        (
            "ssm:RegisterTargetWithMaintenanceWindow ssm:RegisterTaskWithMaintenanceWindow"
            " ssm:UpdateMaintenanceWindowTarget ssm:UpdateMaintenanceWindowTask"
        ),
        f"arn:aws:ssm:{REGION}:{ACCOUNT}:maintenancewindow/mw-1",
        UNTAGGED,
    ),
    (
        "turn on Default Host Management",
        "ssm:ResetServiceSetting ssm:UpdateServiceSetting",
        (
            f"arn:aws:ssm:{REGION}:{ACCOUNT}:servicesetting/ssm/managed-instance/"
            "default-ec2-instance-management-role"
        ),
        UNTAGGED,
    ),
    ("set up Systems Manager", "ssm-quicksetup:CreateConfigurationManager", "*", UNTAGGED),
    (
        "put an instance into a group that replaces root volumes",
        "autoscaling:AttachInstances",
        f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:autoScalingGroup:1:autoScalingGroupName/mine",
        UNTAGGED,
    ),
    (
        "copy an instance's profile beside other user data",
        "autoscaling:CreateLaunchConfiguration",
        f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:launchConfiguration:1:launchConfigurationName/mine",
        UNTAGGED,
    ),
    (
        "copy an instance's profile by a group that an instance's id begins",
        "autoscaling:CreateAutoScalingGroup",
        f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:autoScalingGroup:1:autoScalingGroupName/mine",
        UNTAGGED,
    ),
    (
        "stop or terminate an instance by an alarm",
        "cloudwatch:PutMetricAlarm",
        f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:mine",
        {"cloudwatch:AlarmActions": [f"arn:aws:automate:{REGION}:ec2:stop"]},
    ),
    (
        "stop an instance by an alarm in the older form",
        "cloudwatch:PutMetricAlarm",
        f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:mine",
        {
            "cloudwatch:AlarmActions": [
                "arn:aws:sns:eu-west-1:123456789012:mine",
                f"arn:aws:swf:{REGION}:{ACCOUNT}:action/actions/AWS_EC2.InstanceId.Stop/1.0",
            ]
        },
    ),
]

TAGS: list[Row] = [
    (
        f"{does} the tag {key}",
        f"ec2:CreateTags ec2:DeleteTags ssm:AddTagsToResource kms:TagResource {action}",
        resource,
        {"aws:TagKeys": ["Name", key], f"aws:RequestTag/{key}": "acme"},
    )
    for does, action, resource in (
        ("give an own launch template", "ec2:CreateLaunchTemplate", f"{EC2}:launch-template/*"),
        ("launch instances with", "ec2:RunInstances", f"{EC2}:instance/*"),
        ("give anything", "tag:TagResources", "*"),
    )
    for key in ("mayfly-stack", "mayfly-queue", "mayfly-launch", "Mayfly-Stack", "MAYFLY-QUEUE")
] + [("take all tags of an instance", "ec2:DeleteTags", INSTANCE, TAGGED)]

SCRIPT: list[Row] = [
    (
        "change the bootstrap script",
        (
            "s3:BypassGovernanceRetention s3:DeleteObject s3:DeleteObjectVersion s3:PutObject"
            " s3:PutObjectAcl s3:PutObjectLegalHold s3:PutObjectRetention s3:PutObjectTagging"
            " s3:ReplicateObject s3:RestoreObject"
        ),
        "arn:aws:s3:::acme-ci/bootstrap/set-up.sh",
        UNTAGGED,
    ),
    (
        "change another queue's script in the same bucket",
        "s3:DeleteObject s3:PutObject",
        "arn:aws:s3:::acme-ci/other-queue/set-up.sh",
        UNTAGGED,
    ),
    (
        "change settings of the script's bucket",
        (
            "s3:DeleteBucket s3:DeleteBucketPolicy s3:PutBucketAcl s3:PutBucketOwnershipControls"
            " s3:PutBucketPolicy s3:PutBucketPublicAccessBlock s3:PutBucketVersioning"
            " s3:PutEncryptionConfiguration s3:PutLifecycleConfiguration"
            " s3:PutReplicationConfiguration"
        ),
        "arn:aws:s3:::acme-ci",
        UNTAGGED,
    ),
    (
        "make a way around the bucket's name",
        "s3:CreateAccessPoint s3:DeleteAccessPointPolicy s3:PutAccessPointPolicy",
        f"{ACCESS_POINT}/mine",
        UNTAGGED,
    ),
    (
        "write through an access point",
        "s3:DeleteObject s3:PutObject",
        f"{ACCESS_POINT}/theirs/object/bootstrap/set-up.sh",
        UNTAGGED,
    ),
    (
        "make a way around in several regions",
        "s3:CreateMultiRegionAccessPoint s3:PutMultiRegionAccessPointPolicy s3:PutObject",
        f"arn:aws:s3::{ACCOUNT}:accesspoint/mine.mrap",
        UNTAGGED,
    ),
    (
        "make a way around by a function",
        (
            "s3:CreateAccessPointForObjectLambda s3:PutAccessPointPolicyForObjectLambda"
            " s3-object-lambda:PutObject"
        ),
        f"arn:aws:s3-object-lambda:{REGION}:{ACCOUNT}:accesspoint/mine",
        UNTAGGED,
    ),
    (
        "get credentials for the bucket from Access Grants",
        "s3:CreateAccessGrant s3:CreateAccessGrantsLocation",
        f"arn:aws:s3:{REGION}:{ACCOUNT}:access-grants/default/location/1",
        UNTAGGED,
    ),
    (
        "change another queue's script in a bucket with the tag, where the bucket compares tags",
        "s3:DeleteObject s3:PutObject",
        "arn:aws:s3:::team-b/bootstrap/set-up.sh",
        TAGGED,
    ),
]
