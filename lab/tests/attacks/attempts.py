"""Job code of all attacks of a file: run by the agent in one job, and by root beside it.

Each attack is a file of the job's repository. The job runs one after the other, each with a time
limit, and then waits, so that root's tries meet the same host while the job still runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from attacks import hosts
from attacks.collector import Collector
from attacks.hosts import Done
from attacks.rows import Code
from buildkite_emulator import BuildRequest
from e2e.repositories import Source
from stories.stage import Stage
from whole.output import lines

_GO = "/tmp/go"
_RUNNER = f"""#!/bin/bash
export COLLECTOR=@COLLECTOR@
for code in attacks/*.sh; do
  limit=$(sed -n '1s/^# //p' "$code")
  printf '\\n=== begin %s\\n' "$(basename "$code" .sh)"
  timeout --kill-after=2 "$limit" bash "$code" </dev/null 2>&1
  printf '\\n=== exit %s\\n' $?
done
printf '\\n=== done\\n'
until [ -e {_GO} ]; do sleep 0.1; done
"""


@dataclass(slots=True)
class Attempts:
    """The jobs of one file in one lab: one for each queue."""

    stage: Stage
    collector: Collector
    codes: Mapping[str, Code]
    """By name of the test."""
    step: Mapping[str, Any] = field(default_factory=dict)
    """More attributes of the step: its plugins, say."""
    _jobs: dict[str, str] = field(default_factory=dict)
    _done: dict[str, Mapping[str, Done]] = field(default_factory=dict)

    def push(self) -> None:
        """Push one build for each queue; the hosts boot side by side."""
        for queue in {code.queue for code in self.codes.values()}:
            mine = {name: code for name, code in self.codes.items() if code.queue == queue}
            runner = _RUNNER.replace("@COLLECTOR@", self.collector.url)
            self._jobs[queue] = _push(
                self.stage, queue, self.step, {**_files(mine), "attack": runner}
            )

    def host(self, queue: str) -> str:
        """The id of the instance whose job has made all attempts, and waits."""
        self.of_job(queue)
        return self.stage.running(self._jobs[queue])

    def of_job(self, queue: str) -> Mapping[str, Done]:
        """What the job's code ended with, by name of the test."""
        if queue not in self._done:
            job = self._jobs[queue]

            def log() -> list[str]:
                return lines(self.stage.log_of(job))

            self.stage.until(f"the attacks of {queue} are made", lambda: "=== done" in log())
            self._done[queue] = _parse("\n".join(filter(None, log())))
        return self._done[queue]

    def let_go(self) -> None:
        """Let every job end."""
        for queue in self._jobs:
            assert hosts.run(self.stage, self.host(queue), f"touch {_GO}").exit == 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attack by job code."""

    attempts: Attempts
    name: str
    code: Code

    def as_job(self) -> Done:
        """What the job's code ended with."""
        return self.attempts.of_job(self.code.queue)[self.name]

    def as_root(self) -> Done:
        """What root's code ends with on the same host, while the job runs."""
        return self.run(self.code.root or self.code.job)

    def run(self, command: str, stdin: str = "") -> Done:
        """A command of root on the same host."""
        host = self.attempts.host(self.code.queue)
        return hosts.run(self.attempts.stage, host, command, stdin=stdin)


def _files(codes: Mapping[str, Code]) -> Mapping[str, str]:
    return {f"attacks/{test}.sh": f"# {code.limit}\n{code.job}\n" for test, code in codes.items()}


def _push(stage: Stage, queue: str, more: Mapping[str, Any], files: Mapping[str, str]) -> str:
    lab, name = stage.lab, f"attacks-{queue}"
    source = Source(lab.home / name)
    source.commit("Attack", files)
    lab.buildkite.add_repository(name, source.path)
    step = {"label": name, "command": "./attack", "agents": {"queue": queue}, **more}
    steps = json.dumps({"steps": [step]})
    lab.buildkite.add_pipeline(name, steps, lab.buildkite.repository_url(name))
    return lab.buildkite.create_build(name, BuildRequest()).jobs[0].id


def _parse(log: str) -> Mapping[str, Done]:
    found = re.findall(r"^=== begin (\w+)\n(.*?)^=== exit (\d+)$", log, re.DOTALL | re.MULTILINE)
    return {name: Done(int(code), output.strip()) for name, output, code in found}
