"""Keeps a lab running, and prints how to reach it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mayfly_lab.commands.chosen import UpChoices
from mayfly_lab.commands.following import Follower
from mayfly_lab.commands.lines import (
    BY_HAND,
    HELLO,
    Line,
    aws_variables,
    bk_variables,
    by_hand_folder,
    lines,
)
from mayfly_lab.commands.stopping import Stop, Stopped
from mayfly_lab.lab import STACK, Lab, LabChoices
from mayfly_lab.page.actions import SAMPLE, sample
from mayfly_lab.page.server import PageServer
from mayfly_lab.report.live import LiveReport
from mayfly_lab.report.logs import Logs
from mayfly_lab.report.screen import folded

FUNCTIONS = ("dispatch", "provision", "sandbox", "reap")


@dataclass(frozen=True, slots=True)
class OpenLab:
    """The work of `mayfly-lab up`."""

    chosen: UpChoices
    choices: LabChoices
    no_namespaces: str
    """Why machines have no namespaces; empty when they have them."""
    stop: Stop

    def run(self) -> int:
        """Keep the lab until a signal ends the command. Returns the exit status."""
        further = () if BY_HAND in self.choices.queues else (BY_HAND,)
        choices = replace(
            self.choices,
            further_queues=further,
            aws_port=self.chosen.port_aws,
            buildkite_port=self.chosen.port_buildkite,
        )
        file = self.chosen.json
        try:
            with Lab(choices) as lab, PageServer(lab, self.chosen.port_page) as page:
                self.stop.check()
                live = LiveReport(lab.buildkite.log, Logs.NONE)
                self._furnish(lab)
                printed = list(lines(lab))
                for line in self._about(lab):
                    live.table(folded(line, 4, ""))
                live.lines(self._to_paste(lab, printed, page.url))
                if file is not None:
                    _write(file, {**facts(lab, printed), "page": page.url})
                lab.buildkite.subscribe(live.on_job)
                self._stay(Follower(lab, live, self.stop))
        except Stopped:
            return 0
        finally:
            if file is not None:
                file.unlink(missing_ok=True)
        return 0

    def _stay(self, follower: Follower) -> None:
        follower.until(lambda _: False, float("inf"))

    def _furnish(self, lab: Lab) -> None:
        """Add a repository, a pipeline for Mayfly's first queue, and one for an agent by hand."""
        source = lab.home / "source"
        source.mkdir()
        (source / "README").write_text("What jobs of the lab check out.\n", encoding="utf-8")
        lab.buildkite.add_repository("source", source)
        by_hand_folder(lab).mkdir()
        url = lab.buildkite.repository_url("source")
        for slug, queue in ((HELLO, lab.choices.queues[0]), (BY_HAND, BY_HAND)):
            step = {"label": slug, "command": "echo hello", "agents": {"queue": queue}}
            lab.buildkite.add_pipeline(slug, json.dumps({"steps": [step]}), url)
        lab.buildkite.add_pipeline(SAMPLE, sample(lab.choices.queues[0]), url)

    def _about(self, lab: Lab) -> Iterator[str]:
        yield f"agent: {lab.agent_name}; machines: {lab.machines}"
        yield from lab.notice
        if self.no_namespaces:
            yield f"warning: machines run in plain directories: {self.no_namespaces}"
        yield f"Mayfly's queues: {', '.join(lab.choices.queues)}"
        for request in lab.choices.faults:
            yield f"fault: {request.text}"

    def _to_paste(self, lab: Lab, printed: list[Line], page: str) -> Iterator[str]:
        """Lines to paste into a shell, each whole, and paths of files."""
        for line in printed:
            yield ""
            yield f"# {line.what}"
            yield line.text
        yield ""
        yield "# files, until the lab ends"
        for what, path in files(lab).items():
            yield f"# {what}: {path}"
        yield ""
        yield "# the page: queues, jobs and instances as they are"
        yield page
        yield ""
        yield "ready; Ctrl-C ends the lab and leaves nothing behind"


def files(lab: Lab) -> dict[str, str]:
    """Paths of log files and of the journal, by description."""
    logs = {f"log of {name}": str(lab.aws.log_of(name)) for name in FUNCTIONS}
    return {**logs, "journal of every call to AWS": str(lab.aws.config.home / "journal.jsonl")}


def facts(lab: Lab, printed: list[Line]) -> dict[str, Any]:
    """The printed facts as JSON content, for scripts."""
    return {
        "stack": STACK,
        "queues": list(lab.choices.queues),
        "agent": lab.agent_name,
        "aws": aws_variables(lab),
        "buildkite": {
            **bk_variables(lab),
            "url": lab.buildkite.url,
            "organization": lab.buildkite.settings.organization,
            "pipelines": [HELLO, BY_HAND],
        },
        "files": files(lab),
        "lines": {line.name: line.text for line in printed},
    }


def _write(file: Path, content: dict[str, Any]) -> None:
    """Write the file whole or not at all, readable by its owner alone: it holds credentials."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as written:
        json.dump(content, written, indent=2)
    Path(name).replace(file)
