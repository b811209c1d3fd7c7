"""Commands of jobs that several scenarios run, and what they leave on a console."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from stories.stage import Stage
from whole.machines import KeptConsole, WholeStage

HOLD = "echo up; until [ -e /tmp/go ]; do sleep 0.1; done"
"""Writes output, then waits for `let_go`."""


def let_go(stage: WholeStage, instance_id: str) -> None:
    """Let the command behind `HOLD` go on, on a running machine in a container."""
    done = stage.shell(instance_id, "touch /tmp/go")
    assert done.returncode == 0, done.stderr


def crowd(processes: int) -> str:
    """Lines of a command that has so many processes at once, and says so; indented by six."""
    return f"""python3 - <<'END'
      import os, signal
      children = []
      for _ in range({processes}):
          child = os.fork()
          if child == 0:
              signal.pause()
          children.append(child)
      print(f"processes={{len(children)}}")
      for child in children:
          os.kill(child, signal.SIGKILL)
          os.waitpid(child, 0)
      END"""


def second_boot(console: KeptConsole, begins: str) -> list[str]:
    """Lines of the second of two boots, after the line with which each begins."""
    starts = [seconds for seconds, line in console.lines if begins in line]
    assert len(starts) == 2, str(console)
    return [line for seconds, line in console.lines if seconds > starts[1]]


def leave_free(stage: Stage, machine: str, size: int) -> None:
    """Shrink the machine's disk, a tmpfs around its root, until so many bytes are free."""
    init = stage.lab.room.init(machine)
    mounts = [line.split() for line in Path(f"/proc/{init}/mounts").read_text().splitlines()]
    overlay = next(options for _, _, kind, options, *_ in mounts if kind == "overlay")
    upper = next(o for o in overlay.split(",") if o.startswith("upperdir=")).partition("=")[2]
    disk = str(Path(upper).parent)
    found = os.statvfs(f"/proc/{init}/root{disk}")
    used = (found.f_blocks - found.f_bfree) * found.f_frsize
    enter = ("nsenter", f"--target={init}", "--mount")
    subprocess.run((*enter, "mount", "-o", f"remount,size={used + size}", disk), check=True)
