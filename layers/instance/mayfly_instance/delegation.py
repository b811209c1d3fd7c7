"""A scope whose program may make cgroups of its own, as containers with limits need them.

The user owns the scope's cgroup, sees it as the top of all cgroups and cannot leave it: everything
that the program starts stays where the host kills it. podman and crun of Debian 12 try the top
alone, and otherwise run containers without their limits and say nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

PROPERTY = "Delegate=yes"
"""Property of the scope: systemd leaves all below the scope's cgroup alone.

Source: systemd.resource-control(5). The user is not named, for systemd before 252 knows no User= of
a scope.
"""
_OUTSIDE = """\
set -e
# Only in a scope that systemd made, on a machine whose cgroups are all of version 2.
scope=
while read -r line; do case $line in 0::/*/"$1") scope=$line ;; esac; done </proc/self/cgroup
if [ -z "$scope" ] || ! [ -w /sys/fs/cgroup/cgroup.procs ]; then
  shift 3
  exec "$@"
fi
shift
inside=$1
shift
exec unshare --cgroup --mount --propagation=slave -- sh -c "$inside" sh "$@"
"""
# A cgroup with processes of its own gives its children no controllers (cgroups(7), "no internal
# processes"), so the program moves into a child. podman warns of a / that is not shared.
_INSIDE = """\
set -e
top=/sys/fs/cgroup
mount --make-rshared /
umount --lazy $top
mount -t cgroup2 cgroup2 $top
mkdir $top/program
echo 0 >$top/program/cgroup.procs
for each in $(cat $top/cgroup.controllers); do echo "+$each" >$top/cgroup.subtree_control; done
chown "$1" $top $top/cgroup.procs $top/cgroup.threads $top/cgroup.subtree_control
chown --recursive "$1" $top/program
shift
exec "$@"
"""


def enter(unit: str, user: str) -> Sequence[str]:
    """The beginning of a command that root runs in the scope; it execs the rest as this user.

    Outside such a scope (a lab, cgroups of version 1) the rest runs in the cgroup as it is.
    """
    return ["sh", "-c", _OUTSIDE, "sh", f"{unit}.scope", _INSIDE, user, *drop_to(user)]


def drop_to(user: str) -> Sequence[str]:
    """The beginning of a command of root that execs the rest as this user."""
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"]
