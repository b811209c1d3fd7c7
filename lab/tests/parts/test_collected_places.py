"""Every place in which a secret could be written is among the texts that a run collects."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from buildkite_emulator.serving.server import Answer, Request
from mayfly_lab.aws.ec2.moments import Aspect, Moment
from mayfly_lab.aws.front.call import Call, Kind, Principal
from mayfly_lab.aws.front.journal import Entry
from mayfly_lab.aws.front.traffic import Traffic
from mayfly_lab.lab import Lab
from mayfly_lab.report.collect import _texts

HOST = Principal("AROA:i-1", "arn:aws:sts::1:assumed-role/x/i-1", Kind.SANDBOX, "i-1")
WORDS = {
    "the log of dispatch": "in-dispatch",
    "the log of provision": "in-provision",
    "the log of sandbox": "in-sandbox",
    "the log of reap": "in-reap",
    "the fleet table": "in-the-records",
    "the journal": "in-a-resource in-an-error",
    "the user data of i-1": "in-the-user-data",
    "the console of i-1": "in-the-console",
    "the log of job Deploy (j-1)": "in-the-first-log",
    "the log of job Deploy (j-2)": "in-the-second-log",
    "the page of job Deploy (j-1)": "in-the-detail in-a-note",
    "the last words": "in-the-last-words",
    "requests of sandbox for ssm:PutParameter": "in-a-request",
    "answers to sandbox for ssm:PutParameter": "in-an-answer",
    "the process list": "in-a-process",
}


class Logs:
    """CloudWatch Logs with one stream."""

    def describe_log_streams(self, **_: str) -> dict[str, Any]:
        return {"logStreams": [{"logStreamName": "i-1"}]}

    def get_log_events(self, **_: object) -> dict[str, Any]:
        return {"events": [{"message": "in-the-last-words"}]}


def a_lab(folder: Path) -> Lab:
    for function in ("dispatch", "provision", "sandbox", "reap"):
        (folder / function).write_text(f"in-{function}")
    traffic = Traffic()
    answer = Answer(200, b"in-an-answer", {})
    request = Request("POST", "/", {}, b"in-a-request")
    traffic.carried(HOST, Call("ssm", "PutParameter", {}), request, answer)
    entry = Entry(0, "x", "role", "ssm", "Get", {"Name": "in-a-resource"}, error="in-an-error")
    jobs = [
        SimpleNamespace(id=job, name="Deploy", detail="in-the-detail", notices=("in-a-note",))
        for job in ("j-1", "j-2")
    ]
    logs = {"j-1": b"in-the-first-log", "j-2": b"in-the-second-log"}
    instance = SimpleNamespace(instance_id="i-1", user_data=b"in-the-user-data")
    moments = [Moment(0, "i-1", Aspect.STATE, "pending")]
    aws = SimpleNamespace(
        log_of=lambda function: folder / function,
        journal=[entry],
        ec2=SimpleNamespace(instances={"i-1": instance}),
        moments=SimpleNamespace(all=lambda: moments),
        client=lambda _: Logs(),
        traffic=traffic,
    )
    lab = SimpleNamespace(
        aws=aws,
        records=SimpleNamespace(text=lambda: "in-the-records"),
        room=SimpleNamespace(console=lambda _: "in-the-console"),
        buildkite=SimpleNamespace(jobs=lambda: jobs, log=lambda job: logs[job]),
        processes=SimpleNamespace(text=lambda: "in-a-process"),
    )
    return cast("Lab", lab)


def test_each_place_is_collected_with_its_text(tmp_path: Path) -> None:
    texts = dict(_texts(a_lab(tmp_path)))
    for place, words in WORDS.items():
        assert [word for word in words.split() if word not in texts[place]] == []
    assert set(texts) == {*WORDS, "the page of job Deploy (j-2)"}
