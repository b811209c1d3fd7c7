"""What of a job's secrets, keys and role is on a machine: one program that tells, as root sees it.

The image has the program. A test runs it while the job runs; a unit of the image runs it when the
machine goes down, before systemd ends what the supervisor has left in scopes.
"""

from __future__ import annotations

from pathlib import Path

from whole.machines import WholeStage
from whole.output import values

URI = "/tmp/uri"
"""Where a job with a role writes the address of its endpoint, for the program."""
_PROGRAM = "/usr/local/bin/look"
_UNIT = "operators-look.service"
_UNITS = "etc/systemd/system"
_LOOK = rf"""#!/bin/bash
# Writes NAME=VALUE lines. No login, which needs units that a machine which goes down may not have.
as() {{ setpriv --reuid="$1" --regid="$(id -g "$1")" --clear-groups -- "${{@:2}}"; }}
join() {{ tr -s ' \n' ' ' | sed 's/ $//'; }}
places=/run/mayfly
echo look=begun
echo "policy=$(ls $places/policy.json 2>&1)"
for place in given role ssh; do
  if [ -e $places/$place ]; then echo "$place=there: $(ls -A $places/$place | join)"
  else echo "$place=gone"; fi
done
for file in given/variables given/hidden role/token; do
  path=$places/$file name=${{file#*/}}
  [ -e $path ] || continue
  echo "$name.owner=$(stat -c '%U %a' $path)"
  echo "$name.kind=$(stat -fc %T $path)"
  echo "$name.folder=$(stat -c '%U %a' ${{path%/*}})"
  echo "$name.bytes=$(stat -c %s $path)"
  for user in mayfly-job nobody; do
    said=$(as $user cat $path 2>&1 >/dev/null) && said=read
    echo "$name.$user=${{said##*: }}"
  done
done
echo "ssh.folder=$(stat -c '%U %a' $places/ssh 2>&1)"
for key in shared repository; do
  unit=mayfly-ssh-$key.scope
  echo "$key.state=$(systemctl show --property=ActiveState --value $unit)"
  group=$(systemctl show --property=ControlGroup --value $unit)
  pids=$([ -z "$group" ] || find "/sys/fs/cgroup$group" -name cgroup.procs -exec cat {{}} +)
  [ -z "$pids" ] || echo "$key.processes=$(ps -o user:20=,comm= -p "$(echo $pids)" | join)"
  export SSH_AUTH_SOCK=$places/ssh/$key
  [ -e $SSH_AUTH_SOCK ] || continue
  for user in mayfly-job nobody; do
    echo "$key.$user=$(as $user ssh-add -l 2>&1 | sed 's/^[0-9]* SHA256:[^ ]* //' | join)"
  done
done
echo "units=$(systemctl list-units --plain --no-legend 'mayfly-ssh-*' | cut -d' ' -f1 | join)"
# Without those that have ended, and whose end the supervisor has not taken.
echo "agents=$(ps -C ssh-agent -o stat=,user:20= | grep -v '^Z' | tr -s ' ' | cut -d' ' -f2 | join)"
if [ -e {URI} ]; then
  port=$(sed 's/.*:\([0-9]*\).*/\1/' {URI})
  echo "endpoint=$(ss -Hltn "sport = :$port" | grep -oE '[^ ]+:'$port | sort | join)"
fi
echo look=over
"""
_SERVICE = f"""[Unit]
Description=Looks for what jobs leave
# systemd stops units in the opposite order, the scopes after this unit: all that the supervisor has
# left is still there. The getty hangs up the console when it stops, and lines would be lost.
After=mayfly.service mayfly-ssh-shared.scope mayfly-ssh-repository.scope
Before=console-getty.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/bin/sh -c 'found=$({_PROGRAM}); echo "$found" >/dev/console'
"""


def lay_program(layer: Path) -> None:
    """Give an image the program, and the unit that runs it when the machine goes down."""
    program = layer / _PROGRAM.lstrip("/")
    program.parent.mkdir(parents=True)
    program.write_text(_LOOK)
    program.chmod(0o755)
    wants = layer / _UNITS / "multi-user.target.wants"
    wants.mkdir(parents=True)
    (layer / _UNITS / _UNIT).write_text(_SERVICE)
    (wants / _UNIT).symlink_to(f"/{_UNITS}/{_UNIT}")


def look(stage: WholeStage, machine: str) -> dict[str, str]:
    """What is there now."""
    done = stage.shell(machine, _PROGRAM)
    assert "look=over" in done.stdout, f"{done.stdout}\n{done.stderr}"
    return values(done.stdout)


def last_look(console: str) -> dict[str, str]:
    """What was there when the machine went down."""
    assert "look=over" in console, console
    return values(console.rpartition("look=begun")[2])
