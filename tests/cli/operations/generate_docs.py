"""Writes help, output and JSON of each command into docs/tool.md; tests hold the same texts.

`python -m tests.cli.operations.generate_docs --write`, as other generators of documents.
"""

from __future__ import annotations

import contextlib
import io
import json

from build.blocks import Documents, main, table
from mayfly_cli.command_line import leaves
from mayfly_cli.main import DAILY, mayfly, run_command
from mayfly_cli.operations.json_form import plain
from tests.cli.operations.failures import all_results
from tests.cli.operations.questions import QUESTIONS, measured
from tests.cli.operations.samples import shown

_COMMANDS = {
    "status": "mayfly status",
    "explain-limit": "mayfly explain app/812",
    "explain-left": "mayfly explain gpu/7",
    "status-queue": "mayfly explain locked",
    "jobs-failed": "mayfly jobs locked --failed",
    "explain-lost": "mayfly explain app/898",
    "explain-instance": "mayfly explain i-00000000000000000",
    "jobs": "mayfly jobs",
    "instances": "mayfly instances",
    "plan": "mayfly plan deploy",
    "doctor": "mayfly doctor",
    "changes": "mayfly changes",
    "waits": "mayfly waits",
    "cost": "mayfly cost",
    "report": "mayfly report",
}


def screens() -> str:
    """Each command with what a screen of 100 columns shows."""
    made = all_results()
    return "\n\n".join(
        f"```\n$ {command}\n{shown(made[name], 100).rstrip()}\n```"
        for name, command in _COMMANDS.items()
    )


def questions() -> str:
    """Each question of an operator on call, the command that answers it, and its seconds."""
    seconds = measured()

    def took(command: str) -> str:
        if command not in seconds:
            return "not measured"
        clock, processor = seconds[command]
        return f"{clock:.1f} ({processor:.1f})"

    return table(
        ("question", "command", "the answer has", "seconds"),
        ((q.asked, f"`{q.command}`", q.shown, took(q.command)) for q in QUESTIONS),
    )


def forms() -> str:
    """The JSON of `status` and `cost`, indented; the commands print one line."""
    made = all_results()
    shown_forms = {name: plain(made[name]) for name in ("status", "cost")}
    shown_forms["status"]["queues"] = shown_forms["status"]["queues"][1:2]
    return "\n\n".join(
        f"`mayfly {name} --json`:\n\n```json\n{json.dumps(form, indent=1)}\n```"
        for name, form in shown_forms.items()
    )


def helps() -> str:
    """The help text of each command, under a heading of its own."""
    parts = []
    names = {each.name for each in DAILY}
    for words in leaves(mayfly):
        if words.split()[0] not in names:
            continue
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            run_command([*words.split(), "--help"])
        parts.append(f"### {words}\n\n```\n{text.getvalue().strip()}\n```")
    return "\n\n".join(parts)


DOCUMENTS = Documents(
    ("docs/tool.md",),
    {
        "questions": questions,
        "tool-helps": helps,
        "tool-screens": screens,
        "tool-json": forms,
    },
)


if __name__ == "__main__":
    main(DOCUMENTS)
