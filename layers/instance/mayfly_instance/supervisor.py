"""The life of an instance, in order. It has two processes, so that none knows both profiles.

    set-up:   booting -> set-up -> script -> nothing left -> bootstrapped -> (becomes the next)
    sandbox:  gate -> closed -> sandboxed -> assignment -> gate -> IMDS closed -> agent -> done

Every failure ends in the same way: a readable reason on the console and in the report, and then
the machine is switched off; later, where an operator wants to look at a host that was never proven
(see `keep`). `bootstrapped` is reported by the first process, as its last act: the
process that outlives it never holds bootstrap credentials.
"""

from __future__ import annotations

import json

from mayfly_instance import agent, assignment, firewall, image, job, keep, script
from mayfly_instance.aws import AwsError
from mayfly_instance.failure import GoingDown, HostFailure
from mayfly_instance.gate import Expected, Gate, Proven, expected
from mayfly_instance.host import role_name
from mayfly_instance.imds import ImdsError
from mayfly_instance.keys import Keys
from mayfly_instance.mailbox import Letter, Mailbox
from mayfly_instance.notices import in_metadata
from mayfly_instance.patience import patiently
from mayfly_instance.places import JOB_USER
from mayfly_instance.proc import image_daemons
from mayfly_instance.reports import Reporter
from mayfly_instance.scene import Scene
from mayfly_instance.seams import Cloud
from mayfly_protocol.assignment import Assignment
from mayfly_protocol.phases import Phase
from mayfly_protocol.words import Imds

SET_UP = "set-up"
SANDBOX = "sandbox"
_PATIENCE = 60.0


def live(scene: Scene, life: str) -> bool:
    """Live one of the two lives. True: go on as the other; False: switch the machine off."""
    reporter = Reporter(scene)
    try:
        if life == SET_UP:
            _set_up(scene, reporter)
            return True
        _run_one_job(scene, reporter)
    except HostFailure as failure:
        _give_up(scene, reporter, failure)
    except (AwsError, ImdsError, OSError) as error:
        _give_up(scene, reporter, HostFailure(f"{type(error).__name__}: {error}"))
    except Exception as bug:  # noqa: BLE001 - a broken supervisor must end its machine, too
        _give_up(scene, reporter, HostFailure(f"the supervisor is broken: {bug!r}"))
    return False


def _set_up(scene: Scene, reporter: Reporter) -> None:
    machine, limits = scene.machine, scene.limits
    reporter.step("checking that this is the first boot, and what runs on the image")
    _first_boot(scene)
    daemons = image_daemons(machine.processes())
    if daemons:
        raise HostFailure(f"the image runs {daemons[0]}, which holds credentials of its own")
    cloud, keys = _as_bootstrap(scene, reporter)
    keep.allow(scene, cloud, keys)
    reporter.send(Phase.BOOTING, _PATIENCE)
    until = scene.clock.seconds() + limits.set_up

    reporter.step("setting up the machine")
    machine.guard_next_boot()
    installed = image.set_up(machine, scene.host)
    reporter.remember(agent=installed.version)

    reporter.step("looking for a bootstrap script")
    before = machine.processes()
    found = patiently(
        lambda: script.fetch(cloud, keys.current(), scene.host, limits), scene.clock, _PATIENCE
    )
    if scene.clock.seconds() > until:
        raise HostFailure(f"set-up took longer than {limits.set_up / 60:g} minutes")
    if found is not None:
        reporter.step(f"running {found.where}")
        script.run(found, scene, cloud.region)
    reporter.step("making sure that nothing of the script is left")
    script.leave_nothing(scene, before)
    image.settle_hooks(machine, installed)
    machine.lay_down(scene.places.set_up, json.dumps(vars(installed)).encode())
    reporter.send(Phase.BOOTSTRAPPED, _PATIENCE)


def _first_boot(scene: Scene) -> None:
    """Raise HostFailure unless this is the boot in which the host was set up."""
    boot = scene.machine.boot_id().encode()
    marker = scene.places.first_boot
    if not marker.exists():
        scene.machine.lay_down(marker, boot)
    elif marker.read_bytes() != boot:
        raise HostFailure("this boot is not the first, and nobody ordered it")


def _as_bootstrap(scene: Scene, reporter: Reporter) -> tuple[Cloud, Keys]:
    """Know our row, by the bootstrap role. Raises HostFailure, ImdsError, AwsError."""
    name = role_name(scene.host.bootstrap_role)
    served = _metadata(scene, "iam/security-credentials/", _PATIENCE)
    if served != name:
        raise HostFailure(f"IMDS serves the role {served!r}, not the bootstrap role {name!r}")
    return _write_as(scene, reporter, name, _PATIENCE)


def _write_as(scene: Scene, reporter: Reporter, role: str, seconds: float) -> tuple[Cloud, Keys]:
    """Report into the row of this role from now on. Raises ImdsError, AwsError."""
    cloud = scene.cloud(_metadata(scene, "placement/region", seconds))
    keys = Keys(scene.metadata, role, scene.clock, scene.scrub)
    caller = patiently(lambda: cloud.caller(keys.current()), scene.clock, seconds)
    reporter.write_to(Mailbox(cloud, scene.host.mailbox, caller.user_id), keys)
    return cloud, keys


def _metadata(scene: Scene, path: str, seconds: float) -> str:
    """A value of IMDS, which may be slow on a busy machine. Raises ImdsError."""
    return patiently(lambda: scene.metadata.session().get(path), scene.clock, seconds)


def _run_one_job(scene: Scene, reporter: Reporter) -> None:
    machine, limits = scene.machine, scene.limits
    installed = agent.Agent(**json.loads(scene.places.set_up.read_text("utf-8")))
    reporter.remember(agent=installed.version)

    reporter.step("waiting for the sandbox profile")
    cloud = scene.cloud(_metadata(scene, "placement/region", _PATIENCE))
    wanted = expected(scene.host, _metadata(scene, "instance-id", _PATIENCE))
    gate = Gate(wanted, scene.metadata, cloud, scene.clock, limits.gate_interval)
    proven = gate.prove(limits.gate_streak, limits.gate)
    keys = _as_sandbox(scene, reporter, cloud, wanted, proven)

    # No process of the job user's exists yet, so this can be undone for a queue with `imds: job`;
    # done now, it costs a job no time.
    address = (scene.metadata.host, scene.metadata.port)
    firewall.close(machine, Imds.SUPERVISOR, address, JOB_USER)
    # Before the report, which may arrive even where its answer is lost: then a job may be bound.
    keep.forbid(scene)
    reporter.send(Phase.SANDBOXED, limits.silence)

    reporter.step("waiting for a job")
    letter = _assignment(scene, reporter)
    found = assignment.parse(letter.assignment, machine.boot_id(), scene.host.queue)
    scene.scrub.learn(found.token)
    reporter.remember(job=found.job)

    reporter.step("passing the gate once more")
    proven = gate.prove(1, limits.gate_again)
    if found.imds is Imds.OFF:
        keys.keep(proven.credentials)
    if found.imds is Imds.SUPERVISOR:
        firewall.check(machine, found.imds, address, JOB_USER)
    else:
        firewall.close(machine, found.imds, address, JOB_USER)
    policy = {"job": found.job, "rules": found.rules, "repository": found.repository}
    machine.lay_down(scene.places.policy, json.dumps(policy).encode())

    ending = job.run(scene, reporter, installed, found, lambda: _notice(scene, reporter, found))
    reporter.step(f"the agent ended with {ending.code}")
    facts = {"exit": ending.code, "reason": ending.reason, "words": ending.words}
    reporter.tell(Phase.DONE, limits.last_report, **facts)


def _as_sandbox(
    scene: Scene, reporter: Reporter, cloud: Cloud, wanted: Expected, proven: Proven
) -> Keys:
    """Report into the sandbox row from now on, whose key STS has told."""
    keys = Keys(scene.metadata, wanted.role, scene.clock, scene.scrub)
    keys.hold(proven.credentials)
    reporter.write_to(Mailbox(cloud, scene.host.mailbox, proven.caller.user_id), keys)
    return keys


def _assignment(scene: Scene, reporter: Reporter) -> Letter:
    """Look into the mailbox, very often, until a job is there.

    Raises HostFailure when the mailbox is silent for too long, when spot takes the instance back,
    and when nobody has had a job for it in a very long time.
    """
    clock, limits = scene.clock, scene.limits
    began = heard = next_notice = clock.seconds()
    while True:
        now = clock.seconds()
        notice = None
        try:
            letter = reporter.look()
        except (AwsError, ImdsError) as error:
            if now - heard >= limits.silence:
                minutes = limits.silence / 60
                raise HostFailure(
                    f"the mailbox is out of reach for {minutes:g} minutes: {error}"
                ) from error
        else:
            heard, notice = now, letter.notice
            if letter.assignment is not None and notice is None:
                return letter
        if now >= next_notice:
            next_notice = now + limits.notices
            notice = notice or in_metadata(scene.metadata)
        if notice is not None:
            reporter.remember(notice=notice)
            raise HostFailure(f"spot takes the instance at {notice}, before it had a job")
        if now - began >= limits.idle:
            raise HostFailure("no job came for a very long time")
        clock.sleep(max(0.0, now + limits.poll - clock.seconds()))


def _notice(scene: Scene, reporter: Reporter, found: Assignment) -> str | None:
    """The spot notice, from wherever it comes first."""
    notice = None if found.imds is Imds.OFF else in_metadata(scene.metadata)
    if notice is not None:
        return notice
    try:
        return reporter.look().notice
    except (AwsError, ImdsError):
        # With a job, the mailbox is not needed: the agent talks to Buildkite by itself.
        return None


def _give_up(scene: Scene, reporter: Reporter, failure: HostFailure) -> None:
    """Say why, and stay for a look where that is wanted."""
    _last_words(scene, reporter, failure)
    if not isinstance(failure, GoingDown):
        keep.for_a_look(scene)


def _last_words(scene: Scene, reporter: Reporter, failure: HostFailure) -> None:
    """Say why, wherever it can be said: without a row yet, in the one that it may write now."""
    if not reporter.reachable:
        try:
            seconds = scene.limits.last_report
            served = _metadata(scene, "iam/security-credentials/", seconds)
            _write_as(scene, reporter, served, seconds)
        except (AwsError, ImdsError) as error:
            reporter.note(f"no row to report into: {error}")
    reporter.fail(failure)
