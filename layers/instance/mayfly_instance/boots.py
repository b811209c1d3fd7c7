"""Which boot of the instance this is, and what a boot after the first needs.

At its first boot an instance is set up and proven. EC2 may stop it then and start it later; an
instance keeps its association and its disk over a stop (EC2 user guide, "Stop and start"), while
everything in memory is lost: /run, firewall, cgroups. cloud-init runs user data at the first boot
only, and the unit that user data has enabled starts the supervisor at each boot. A boot after the
first goes on only by an order of the control plane, and each order holds for one boot.
"""

from __future__ import annotations

import os

from mayfly_instance.context import Context
from mayfly_instance.failure import HostFailure
from mayfly_instance.machine import Machine
from mayfly_instance.places import JOB_USER
from mayfly_instance.reports import Reporter
from mayfly_instance.retries import PATIENCE, retry
from mayfly_protocol import order

_NOT_FIRST = "this boot is not the instance's first"


def is_first(machine: Machine) -> bool:
    """Whether this is the instance's first boot. The first call ever notes its id.

    Raises OSError.
    """
    marker, boot = machine.places.first_boot, machine.boot_id().encode()
    if marker.exists():
        return marker.read_bytes() == boot
    machine.write_file(marker, boot, durable=True)
    return True


def is_surely_first(machine: Machine) -> bool:
    """Whether an earlier call of `is_first` noted this boot; in any doubt, no."""
    try:
        return machine.places.first_boot.read_bytes() == machine.boot_id().encode()
    except OSError:
        return False


def require_unused(machine: Machine) -> None:
    """Raises HostFailure unless set-up was completed, and the instance has never had a job.

    A process of the job's user, as a service of the image may start one, condemns the host too.
    """
    if not machine.places.set_up.exists():
        raise HostFailure(f"{_NOT_FIRST}, and set-up was not completed")
    if machine.places.job.exists():
        raise HostFailure(f"{_NOT_FIRST}, and the instance has had its job")
    user = machine.uid_of(JOB_USER)
    # A lab without users has one user for everything.
    theirs = [each for each in machine.processes() if each.uid == user and user != os.getuid()]
    if theirs:
        raise HostFailure(f"{_NOT_FIRST}, and {theirs[0]} runs as {JOB_USER} before any job")


def note_job(machine: Machine, job: str) -> None:
    """Note that the instance has its job, so that no later boot takes another. Raises OSError."""
    machine.write_file(machine.places.job, job.encode())


def obey(context: Context, reporter: Reporter) -> int:
    """The number of the order that commands this boot; it is used from then on.

    Raises HostFailure without a valid order, AwsError, ImdsError, OSError.
    """
    machine = context.machine
    found = retry(reporter.read_order, context.clock, PATIENCE, reporter.note)
    try:
        commanded = order.parse(found, context.clock.now(), _last_used(machine))
    except ValueError as error:
        raise HostFailure(f"{_NOT_FIRST}, and {error}") from error
    number = commanded.number
    # Before the order has any effect: a boot after a crash must not find the number unused.
    machine.write_file(machine.places.order, str(number).encode(), 0o600, durable=True)
    return number


def _last_used(machine: Machine) -> int:
    """The number of the last order that this instance obeyed; 0 before the first.

    Raises HostFailure, OSError if it cannot be read.
    """
    try:
        return int(machine.places.order.read_text("ascii"))
    except FileNotFoundError:
        return 0
    except ValueError as error:
        raise HostFailure("the number of the last order is unreadable") from error
