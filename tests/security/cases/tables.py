"""Cases: records, Mailbox rows, the token."""

from __future__ import annotations

from mayfly_cli.templates.resolution import ACCOUNT, REGION
from tests.security.case import ABSENT, Case
from tests.security.things_of_data import IN_A_TRANSACTION, PARTS, row_of

ADMIN, DYNAMODB = "AdministratorAccess", "AmazonDynamoDBFullAccess"
POWER, SSM_FULL = "PowerUserAccess", "AmazonSSMFullAccess"
FUNCTIONS = ("dispatch", "provision", "sandbox", "reap")
UPDATE, GET, PUT = "dynamodb:UpdateItem", "dynamodb:GetItem", "dynamodb:PutItem"
OTHER = row_of("sandbox", "i-0c")
HOSTS = (("job", "A job"), ("bootstrap", "Set-up"))

RECORDS = (
    *(
        Case(f"The function {who} can query records", who, "dynamodb:Query", "fleet/index")
        for who in FUNCTIONS
    ),
    *(
        Case(f"The function {who} can write a record", who, "dynamodb:PutItem", "fleet/table")
        for who in FUNCTIONS
    ),
    *(
        Case(f"The function {who} cannot scan all records", who, "dynamodb:Scan", "fleet/table")
        for who in FUNCTIONS
    ),
    *(
        Case(
            f"The function {who} cannot delete the Fleet table",
            who,
            "dynamodb:DeleteTable",
            "fleet/table",
        )
        for who in FUNCTIONS
    ),
    *(
        Case(
            f"{title} with {DYNAMODB} cannot {way}", who, f"dynamodb:{action}", thing, {}, DYNAMODB
        )
        for who, title in (
            *HOSTS,
            ("job-of-queue-2", "A job of another queue"),
            ("job-of-stack-2", "A job of another stack"),
            ("job-without-denies", "A job of a queue without Denies"),
        )
        for way, action, thing in (
            ("write a record", "PutItem", "fleet/table"),
            ("read a record", "GetItem", "fleet/table"),
            ("query records", "Query", "fleet/index"),
            ("delete the Fleet table", "DeleteTable", "fleet/table"),
            ("change the policy of the Fleet table", "PutResourcePolicy", "fleet/table"),
            ("export the Fleet table", "ExportTableToPointInTime", "fleet/table"),
        )
    ),
    Case("A viewer can read records", "viewer", "dynamodb:Query", "fleet/index"),
    Case("A viewer cannot write a record", "viewer", "dynamodb:PutItem", "fleet/table"),
    Case("An operator can read records", "operator", "dynamodb:Scan", "fleet/table"),
    Case("An operator cannot write a record", "operator", "dynamodb:PutItem", "fleet/table"),
    Case("A security owner can read a record", "security-owner", GET, "fleet/table"),
    Case("A security owner can query records", "security-owner", "dynamodb:Query", "fleet/index"),
    Case("A security owner cannot scan records", "security-owner", "dynamodb:Scan", "fleet/table"),
    Case("A security owner cannot write a record", "security-owner", PUT, "fleet/table"),
)


def _updates(who: str, title: str) -> tuple[Case, ...]:
    """What a host may write into the Mailbox, with AdministratorAccess attached or not."""
    own = "row/own/report"
    returned = {
        f"its own row back in a report by ReturnValues {value}": {"dynamodb:ReturnValues": value}
        for value in ("ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW")
    }
    return (
        Case(f"{title} can write the report of its own row", who, UPDATE, own),
        Case(
            f"{title} can write the report without ReturnValues",
            who,
            UPDATE,
            own,
            {"dynamodb:ReturnValues": ABSENT},
        ),
        *(
            Case(
                f"{title} with AdministratorAccess cannot {way}", who, UPDATE, thing, context, ADMIN
            )
            for way, thing, context in (
                ("write an assignment into its own row", "row/own/assignment", {}),
                ("write a notice into its own row", "row/own/notice", {}),
                ("write its own row without naming attributes", "row/own/any", {}),
                ("write a report without naming a row", own, {"dynamodb:LeadingKeys": ABSENT}),
                ("write another instance's report", "row/sandbox/report", {}),
                ("write a bootstrap report of another instance", "row/bootstrap/report", {}),
                ("write a report of another queue", "row/queue-2/report", {}),
                ("write a report of another stack", "row/stack-2/any", PARTS["report"]),
                ("write its own report and another", "row/own-and-another/report", {}),
                ("write another instance's notice", "row/notice/notice", {}),
                ("write its own notice", "row/own-notice/notice", {}),
                ("write an order into its own row", "row/own/order", {}),
                ("write another instance's order", "row/start/order", {}),
                ("write its own order", "row/own-start/order", {}),
                (
                    "write a report in another case",
                    own,
                    {"dynamodb:Attributes": ["key", "Report"]},
                ),
                *((f"read {way}", own, context) for way, context in returned.items()),
            )
        ),
        *(
            Case(
                f"{title} with AdministratorAccess cannot {way}",
                who,
                f"dynamodb:{action}",
                "row/own/report",
                {},
                ADMIN,
            )
            for way, action in (
                ("write its own row as a whole", "PutItem"),
                ("delete its own row", "DeleteItem"),
                ("write its own row in a batch", "BatchWriteItem"),
                ("read its own row in a batch", "BatchGetItem"),
                ("try its own row in a transaction", "ConditionCheckItem"),
                ("read its own row by PartiQL", "PartiQLSelect"),
                ("write its own row by PartiQL", "PartiQLUpdate"),
                ("insert its own row by PartiQL", "PartiQLInsert"),
                ("delete its own row by PartiQL", "PartiQLDelete"),
                ("query its own row", "Query"),
            )
        ),
    )


MAILBOX = (
    *_updates("bootstrap", "Set-up"),
    *_updates("job", "A job"),
    Case("A job can read its own row", "job", GET, "row/own/any"),
    Case(
        "A job with AdministratorAccess cannot read a row that the request does not name",
        "job",
        GET,
        "row/own/any",
        {"dynamodb:LeadingKeys": ABSENT},
        ADMIN,
    ),
    *(
        Case(f"A job with {DYNAMODB} cannot read {what}", "job", GET, thing, {}, DYNAMODB)
        for what, thing in (
            ("another instance's row", "row/sandbox/any"),
            ("another instance's assignment", "row/sandbox/assignment"),
            ("a row of another queue", "row/queue-2/any"),
            ("a row of another stack", "row/stack-2/any"),
            ("its own row and another", "row/own-and-another/any"),
            ("another instance's notice", "row/notice/any"),
        )
    ),
    Case(
        "Set-up with AdministratorAccess cannot read its own row",
        "bootstrap",
        GET,
        "row/own/any",
        {},
        ADMIN,
    ),
    *(
        Case(
            f"A {kind} with {DYNAMODB} cannot {way}", who, f"dynamodb:{action}", thing, {}, DYNAMODB
        )
        for kind, who in (
            ("job of another queue", "job-of-queue-2"),
            ("job of another stack", "job-of-stack-2"),
            ("job of a queue without Denies", "job-without-denies"),
            ("foreign role", "foreign"),
            ("role that a job assumes", "chained"),
        )
        for way, action, thing in (
            ("read an assignment", "GetItem", "row/sandbox/assignment"),
            ("forge a proof", "UpdateItem", "row/sandbox/report"),
            ("scan the Mailbox", "Scan", "mailbox/table"),
            ("read an assignment by PartiQL", "PartiQLSelect", "row/sandbox/assignment"),
            ("read assignments in a batch", "BatchGetItem", "row/sandbox/assignment"),
        )
    ),
    *(
        Case(f"The function dispatch {word} write {what}", "dispatch", UPDATE, thing, context)
        for word, what, thing, context in (
            ("can", "an assignment in a transaction", "row/sandbox/assignment", IN_A_TRANSACTION),
            ("cannot", "an assignment outside a transaction", "row/sandbox/assignment", {}),
            ("cannot", "a proof in a transaction", "row/sandbox/report", IN_A_TRANSACTION),
            ("cannot", "a proof outside a transaction", "row/sandbox/report", {}),
            (
                "can",
                "in a transaction if AWS does not name the attributes",
                "row/sandbox/any",
                IN_A_TRANSACTION,
            ),
        )
    ),
    Case(
        "The function dispatch cannot read the row that it writes",
        "dispatch",
        UPDATE,
        "row/sandbox/assignment",
        {**IN_A_TRANSACTION, "dynamodb:ReturnValues": "ALL_NEW"},
    ),
    *(
        Case(f"The function {who} cannot read an assignment", who, GET, "row/sandbox/assignment")
        for who in FUNCTIONS
    ),
    *(
        Case(f"The function {who} cannot scan the Mailbox", who, "dynamodb:Scan", "mailbox/table")
        for who in FUNCTIONS
    ),
    *(
        Case(
            f"The function {who} cannot write an assignment", who, UPDATE, "row/sandbox/assignment"
        )
        for who in ("provision", "sandbox", "reap")
    ),
    *(
        Case(f"The function {who} cannot forge a proof", who, UPDATE, "row/sandbox/report")
        for who in ("provision", "sandbox", "reap")
    ),
    *(
        Case(
            f"The function {who} can read reports",
            who,
            "dynamodb:BatchGetItem",
            "row/sandbox/report",
            {"dynamodb:Select": "SPECIFIC_ATTRIBUTES", "dynamodb:ReturnValues": ABSENT},
        )
        for who in ("sandbox", "reap")
    ),
    *(
        Case(
            f"The function {who} cannot read assignments with reports",
            who,
            "dynamodb:BatchGetItem",
            "row/sandbox/report",
            {"dynamodb:Attributes": ["key", "report", "assignment"]},
        )
        for who in ("sandbox", "reap")
    ),
    *(
        Case(
            f"The function {who} cannot read whole rows",
            who,
            "dynamodb:BatchGetItem",
            "row/sandbox/any",
        )
        for who in ("sandbox", "reap")
    ),
    Case("The function reap can write a notice", "reap", UPDATE, "row/notice/notice"),
    Case(
        "The function reap cannot write a notice into the row of an assignment",
        "reap",
        UPDATE,
        "row/sandbox/notice",
    ),
    Case(
        "The function reap cannot write a notice and another row at once",
        "reap",
        UPDATE,
        "row/notice/notice",
        {"dynamodb:LeadingKeys": [f"notice/{OTHER}", OTHER]},
    ),
    Case(
        "The function reap can remove a row",
        "reap",
        "dynamodb:BatchWriteItem",
        "row/sandbox/report",
        {"dynamodb:Attributes": ["key"], "dynamodb:ReturnValues": ABSENT},
    ),
    Case(
        "The function reap cannot write a row as it removes rows",
        "reap",
        "dynamodb:BatchWriteItem",
        "row/sandbox/assignment",
    ),
    Case("A viewer cannot read a Mailbox row", "viewer", GET, "row/sandbox/any"),
    Case("A security owner cannot read a Mailbox row", "security-owner", GET, "row/sandbox/any"),
    Case("An operator cannot read a Mailbox row", "operator", GET, "row/sandbox/any"),
    Case("An operator cannot scan the Mailbox", "operator", "dynamodb:Scan", "mailbox/table"),
)

KMS_CONTEXT = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/buildkite/other"

TOKEN = (
    Case(
        "The function dispatch can read the cluster's agent token",
        "dispatch",
        "ssm:GetParameter",
        "parameter/token",
    ),
    Case("The function dispatch can decrypt the token", "dispatch", "kms:Decrypt", "key/token"),
    Case(
        "The function dispatch cannot decrypt anything else with the token's key",
        "dispatch",
        "kms:Decrypt",
        "key/token",
        {"kms:EncryptionContext:PARAMETER_ARN": KMS_CONTEXT},
    ),
    Case(
        "The function dispatch cannot change the token",
        "dispatch",
        "ssm:PutParameter",
        "parameter/token",
    ),
    *(
        Case(
            f"The function {who} cannot read the token", who, "ssm:GetParameter", "parameter/token"
        )
        for who in ("provision", "sandbox", "reap")
    ),
    *(
        Case(f"{title} with {attached} cannot {way}", who, action, thing, {}, attached)
        for who, title in HOSTS
        for way, action, thing, attached in (
            ("read the token", "ssm:GetParameter", "parameter/token", SSM_FULL),
            ("read the token among others", "ssm:GetParameters", "parameter/token", SSM_FULL),
            ("read the token's history", "ssm:GetParameterHistory", "parameter/token", SSM_FULL),
            ("change the token", "ssm:PutParameter", "parameter/token", SSM_FULL),
            ("delete the token", "ssm:DeleteParameter", "parameter/token", SSM_FULL),
            ("decrypt the token", "kms:Decrypt", "key/token", POWER),
            ("re-encrypt the token", "kms:ReEncryptFrom", "key/token", POWER),
        )
    ),
    *(
        Case(f"{title} cannot read the token", who, "ssm:GetParameter", "parameter/token")
        for who, title in (
            ("viewer", "A viewer"),
            ("operator", "An operator"),
            ("security-owner", "A security owner"),
        )
    ),
)
