"""Stand-ins for poweroff, halt, shutdown and reboot."""

from __future__ import annotations

from collections.abc import Sequence

from mayfly_lab.machines.inside.calls import Answer, Machine

VERBS = ("poweroff", "halt", "shutdown", "reboot")


def switch(machine: Machine, argv: Sequence[str]) -> Answer:
    """Switch the machine off or reboot it, now or after minutes (`shutdown +5`)."""
    name, *arguments = argv
    if name == "shutdown" and "-c" in arguments:
        machine.stay_on()
        return Answer()
    again = name == "reboot" or (name == "shutdown" and bool({"-r", "--reboot"} & set(arguments)))
    when = next((word for word in arguments if not word.startswith("-")), "now")
    minutes = "0" if name != "shutdown" or when == "now" else when.removeprefix("+")
    if not minutes.isdigit():
        return Answer(1, err=f"Failed to parse time specification: {when}")
    forced = bool({"-f", "--force", "-ff"} & set(arguments))
    machine.go_off(60.0 * int(minutes), again=again, forced=forced)
    return Answer()
