"""Destructive commands of a machine's root leave the host unchanged."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

from local.machine_kit import INSTANCE, Bench, a_bench
from mayfly_lab.machines.ground import Ground, Kind

# Everything that set-up, an operator's script or a job with root may do to a machine, and worse.
WORST = """
useradd --system --create-home intruder; groupadd intruders; echo root:x | chpasswd
echo 'evil:x:0:0::/:/bin/sh' >> /etc/passwd; echo 10.0.0.1 evil >> /etc/hosts
hostname evil; hostnamectl set-hostname evil
mkdir -p /opt/intruder /var/lib/intruder /usr/local/intruder /usr/lib/intruder /srv/intruder
for place in /etc /usr/bin /usr/local/bin /opt /root /home /var/lib /var/spool /run /tmp /srv; do
  echo was here > "$place/intruder"
done
printf '[Service]\\nExecStart=/bin/true\\n' > /etc/systemd/system/intruder.service
systemctl enable intruder.service; systemctl daemon-reload; systemctl mask cron.service sshd.service
systemctl stop cron.service; systemctl kill init.scope; systemd-run --scope true
mount -t tmpfs intruder /mnt; mount --bind /etc /srv; umount -l /usr/local
mount -o remount,rw /proc/sys; mount -o remount,rw,bind /proc/sys; umount /proc/sys
mount -t proc other /mnt && echo 1 > /mnt/sys/vm/page-cluster
echo 1 > /proc/sys/vm/page-cluster; sysctl -w vm.page-cluster=1
mount -t devtmpfs devices /mnt && echo saw the devices
echo evil > /proc/sys/kernel/hostname; sysctl -w kernel.domainname=evil
nft add table inet intruder; iptables -A OUTPUT -j DROP; ip link add intruder type dummy
ip addr add 10.9.9.9/32 dev lo; ip rule add pref 5 prohibit
mknod /tmp/disk b 254 0; dd if=/tmp/disk of=/dev/null count=1 && echo read the disk
date -s '2001-01-01' && echo set the clock
ipcmk -M 1024; rm -rf /usr/lib/python3 /etc/ssl /home /root
setsid sleep 13579 & setsid nohup sleep 13579 > /dev/null 2>&1 &
systemctl halt; telinit 0; /usr/sbin/poweroff; /sbin/shutdown -h now
kill -9 -1
"""
# The commands of supervisor and user data, on a machine that is only a directory.
USUAL = """
systemctl mask --quiet amazon-ssm-agent.service sshd.service
systemctl stop --quiet sshd.service cron.service user.slice
mkdir -p "$MAYFLY_ROOT/etc/systemd/system"
printf '[Service]\\nExecStart=/bin/true\\n' > "$MAYFLY_ROOT/etc/systemd/system/intruder.service"
systemctl enable --no-reload --quiet intruder.service
echo 'add table inet intruder' | nft --file -
dnf install --assumeyes --quiet git
systemd-run --scope --collect --quiet --unit=x -- bash -c 'setsid sleep 13579 & sleep 0.1'
systemd-run --scope --unit=y -- bash -c 'setsid nohup sleep 13579 > /dev/null 2>&1 &'
poweroff
"""


def host_state() -> dict[str, object]:
    """The host's users, units, rules, mounts, network, names and programs.

    A machine must change none of them.
    """
    return {
        "users": _contents("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/subuid"),
        "names": (platform.node(), _contents("/etc/hosts", "/etc/hostname")),
        "units": _listing("/etc/systemd", "/run/systemd", "/usr/lib/systemd/system"),
        "mounts": Path("/proc/self/mountinfo").read_text() if Path("/proc").exists() else "",
        "rules": _output("nft", "list", "ruleset"),
        "addresses": _output("ip", "addr"),
        "routing": _output("ip", "rule"),
        "settings": _contents("/proc/sys/net/ipv4/ip_forward", "/proc/sys/vm/page-cluster"),
        "shared memory": _contents("/proc/sysvipc/shm"),
        "boot": _contents("/proc/sys/kernel/random/boot_id"),
        "directories": _listing("/opt", "/srv", "/usr/local/bin", "/usr/bin", "/home", "/root"),
        "intruders": [
            str(place / "intruder")
            for place in map(Path, ("/etc", "/usr/lib", "/var/lib", "/var/spool", "/run", "/tmp"))
            if (place / "intruder").exists()
        ],
        "left over": _output("pgrep", "--full", "^sleep 13579"),
    }


def _contents(*paths: str) -> list[str]:
    readable = [Path(path) for path in paths if os.access(path, os.R_OK)]
    return [path.read_text() for path in readable]


def _listing(*paths: str) -> list[str]:
    readable = [Path(path) for path in paths if os.access(path, os.R_OK | os.X_OK)]
    return sorted(str(each) for path in readable for each in path.iterdir())


def _output(*command: str) -> str:
    """The output of a host's command; empty for a missing command."""
    found = shutil.which(command[0], path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        return ""
    done = subprocess.run([found, *command[1:]], capture_output=True, text=True, check=False)
    return done.stdout


def test_destructive_commands_of_a_machines_root_do_not_change_the_host(root_bench: Bench) -> None:
    before = host_state()
    root_bench.boot(WORST)
    root_bench.until_off()
    root_bench.room.cut(INSTANCE)
    console = root_bench.room.console(INSTANCE)
    assert "read the disk" not in console
    assert "saw the devices" not in console
    assert "set the clock" not in console
    assert changed(before) == set()


def test_without_namespaces_the_set_up_changes_only_the_machines_directory(
    machine_grounds: dict[str, Ground | str],
) -> None:
    found = machine_grounds[Kind.DIRECTORY]
    assert isinstance(found, Ground)
    if os.geteuid() == 0:
        assert found.user not in {None, 0}, "root's machines would reach the host"
    before = host_state()
    with a_bench(found) as bench:
        bench.boot(USUAL)
        bench.until_off()
        assert {call.argv[0] for call in bench.room.calls(INSTANCE)} >= {"systemctl", "nft", "dnf"}
    assert changed(before) == set()


def changed(before: dict[str, object]) -> set[str]:
    after = host_state()
    return {name for name in before if before[name] != after[name]}
