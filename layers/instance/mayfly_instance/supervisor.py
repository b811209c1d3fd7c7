"""The stages of an instance, in order: two processes, so that neither knows both profiles.

    set-up:   booting -> set-up -> script -> no traces -> bootstrapped -> (execs the sandbox stage)
    sandbox:  gate -> closed -> sandboxed -> assignment -> gate -> IMDS closed -> agent -> done

An instance that was stopped before it had a job begins anew at the gate, by an order (see `boots`):

    later boot:  gate -> order -> closed -> sandboxed -> assignment -> ...

After any failure the host writes the reason to the console and into the report, then switches the
machine off; an operator may delay that for a host without a sandbox proof (see `keep`). The set-up
process reports `bootstrapped` as its last act, so the sandbox process never holds bootstrap
credentials.
"""

from __future__ import annotations

import json
from dataclasses import replace

from mayfly_instance import (
    agent,
    assignment,
    boots,
    check,
    containers,
    docker,
    giving,
    image,
    job,
    keep,
    scope,
    script,
    ssh,
)
from mayfly_instance.aws import AwsError, Missing
from mayfly_instance.closure import Closure
from mayfly_instance.context import Context
from mayfly_instance.failure import GoingDown, HostFailure
from mayfly_instance.gate import Expected, Gate, Proven, expected
from mayfly_instance.host import role_name
from mayfly_instance.imds import ImdsError
from mayfly_instance.keys import Keys
from mayfly_instance.mailbox import Letter, Mailbox
from mayfly_instance.notices import Notices
from mayfly_instance.places import JOB_USER
from mayfly_instance.ports import Cloud
from mayfly_instance.proc import image_daemons
from mayfly_instance.reports import Reporter
from mayfly_instance.retries import PATIENCE, retry
from mayfly_protocol.agent_settings import parse_agent_settings
from mayfly_protocol.phases import Phase
from mayfly_protocol.words import Imds, Root

SET_UP = "set-up"
SANDBOX = "sandbox"


def run(context: Context, stage: str) -> bool:
    """Run one stage. True: exec the sandbox stage next; False: switch the machine off."""
    reporter = Reporter(context)
    try:
        first = boots.is_first(context.machine)
        if stage == SET_UP and first:
            _set_up(context, reporter)
            return True
        if not first:
            _begin_again(context, reporter)
        _run_one_job(context, reporter, first=first)
    except GoingDown as end:
        _report_failure(context, reporter, HostFailure(end.reason))
    except HostFailure as failure:
        _give_up(context, reporter, failure)
    except (AwsError, ImdsError, OSError) as error:
        _give_up(context, reporter, HostFailure(f"{type(error).__name__}: {error}"))
    except Exception as bug:  # noqa: BLE001 - a supervisor with a bug must switch off, too
        _give_up(context, reporter, HostFailure(f"the supervisor is broken: {bug!r}"))
    return False


def _set_up(context: Context, reporter: Reporter) -> None:
    machine, limits = context.machine, context.limits
    reporter.step("checking what runs on the image")
    _wait_for_image_daemons(context)
    cloud, keys = _report_as_bootstrap(context, reporter)
    keep.allow(context, cloud, keys)
    reporter.send(Phase.BOOTING, PATIENCE)
    until = context.clock.seconds() + limits.set_up

    reporter.step("setting up the machine")
    properties = scope.probe(machine, reporter.note)
    installed = image.set_up(machine, context.host, context.clock, reporter.note)
    scope.keep(machine, properties)
    reporter.remember(agent=installed.version)
    reporter.step("looking for settings that the agent does not have")
    _check_agent_config(context, reporter, cloud, keys, installed)

    reporter.step("looking for a bootstrap script")
    before = machine.processes()
    found = retry(
        lambda: script.fetch(cloud, keys.current(), context.host, limits),
        context.clock,
        PATIENCE,
        reporter.note,
    )
    if context.clock.seconds() > until:
        raise HostFailure(f"set-up took longer than {limits.set_up / 60:g} minutes")
    if found is not None:
        reporter.step(f"running {found.url}")
        script.run(found, context, cloud.region)
    _provide_docker(context, reporter, cloud, keys)
    _provide_ssh(context, reporter, cloud, keys)
    reporter.step("making sure that nothing of the script is left")
    script.remove_traces(context, before)
    image.install_hooks(machine, installed)
    machine.write_file(context.places.set_up, json.dumps(vars(installed)).encode())
    reporter.send(Phase.BOOTSTRAPPED, PATIENCE)


def _check_agent_config(
    context: Context, reporter: Reporter, cloud: Cloud, keys: Keys, installed: agent.Agent
) -> None:
    """Raises HostFailure if `agent/config` has a name that the agent does not have."""
    value = _peek(context, reporter, cloud, keys, "agent/config")
    try:
        settings = parse_agent_settings(value)
    except ValueError:  # The control plane ignores an invalid value, so does this.
        return
    agent.check_settings(installed, settings)


def _provide_docker(context: Context, reporter: Reporter, cloud: Cloud, keys: Keys) -> None:
    """Install the Docker that `job/root` asks for; raises HostFailure where that fails.

    After the operator's script, which may have installed another Docker.
    """
    try:
        root = Root(_peek(context, reporter, cloud, keys, "job/root").strip() or Root.NO)
    except ValueError:  # The control plane ignores an invalid value, so does this.
        return
    if docker.lacking(context.machine, root):
        reporter.step(f"installing what job/root={root} asks for")
        docker.provide(context.machine, root)


def _provide_ssh(context: Context, reporter: Reporter, cloud: Cloud, keys: Keys) -> None:
    """Install ssh for a queue whose jobs may get keys; a failure is noted, and ends no boot."""
    if ssh.lacking(context.machine) and _peek(context, reporter, cloud, keys, "secrets/path"):
        reporter.step("installing ssh, because the queue has secrets/path")
        if missing := ssh.provide(context.machine):
            reporter.note(missing)


def _peek(context: Context, reporter: Reporter, cloud: Cloud, keys: Keys, name: str) -> str:
    """The queue's parameter as it stands now; empty without one.

    It is read once, without a retry, because it must not delay a boot: what comes with an
    assignment is checked in any case.
    """
    path = f"/mayfly/{context.host.stack}/queues/{context.host.queue}/{name}"
    try:
        return cloud.parameter(keys.current(), path)
    except Missing:
        return ""
    except (AwsError, ImdsError) as error:
        reporter.note(f"{name} is checked only when a job comes: {error}")
        return ""


def _begin_again(context: Context, reporter: Reporter) -> None:
    """Begin a boot after the first. Raises HostFailure where the instance cannot be used again."""
    reporter.step("checking what runs on the image, because this boot is not the first")
    boots.require_unused(context.machine)
    _wait_for_image_daemons(context)
    image.make_directories(context.machine)


def _wait_for_image_daemons(context: Context) -> None:
    """Wait until the daemons that user data killed have ended.

    A killed process may stay for a moment in a call of the kernel. Raises HostFailure after
    `limits.daemons`.
    """
    clock = context.clock
    until = clock.seconds() + context.limits.daemons
    while daemons := image_daemons(context.machine.processes()):
        if clock.seconds() >= until:
            raise HostFailure(f"the image runs {daemons[0]}, which holds credentials of its own")
        clock.sleep(context.limits.watch)


def _report_as_bootstrap(context: Context, reporter: Reporter) -> tuple[Cloud, Keys]:
    """Report into the bootstrap role's row from now on.

    Raises HostFailure if IMDS serves another role, else ImdsError or AwsError.
    """
    name = role_name(context.host.bootstrap_role)
    served = _read_metadata(context, "iam/security-credentials/", PATIENCE)
    if served != name:
        raise HostFailure(f"IMDS serves the role {served!r}, not the bootstrap role {name!r}")
    return _report_as(context, reporter, name, PATIENCE)


def _report_as(
    context: Context, reporter: Reporter, role: str, seconds: float
) -> tuple[Cloud, Keys]:
    """Report into this role's row from now on; returns client and keys.

    Retries for `seconds`. Raises ImdsError, AwsError.
    """
    cloud = context.cloud(_read_metadata(context, "placement/region", seconds))
    keys = Keys(context.metadata, role, context.clock, context.scrub)
    caller = retry(lambda: cloud.caller(keys.current()), context.clock, seconds, reporter.note)
    reporter.use_row(Mailbox(cloud, context.host.mailbox, caller.user_id), keys)
    return cloud, keys


def _read_metadata(context: Context, path: str, seconds: float) -> str:
    """A value of IMDS, with retries: IMDS may be slow on a busy machine. Raises ImdsError."""
    say = context.console.say
    return retry(lambda: context.metadata.session().get(path), context.clock, seconds, say)


def _run_one_job(context: Context, reporter: Reporter, *, first: bool) -> None:
    machine, limits = context.machine, context.limits
    installed = agent.Agent(**json.loads(context.places.set_up.read_text("utf-8")))
    reporter.remember(agent=installed.version)

    reporter.step("waiting for the sandbox profile")
    cloud = context.cloud(_read_metadata(context, "placement/region", PATIENCE))
    instance = _read_metadata(context, "instance-id", PATIENCE)
    # Before the proof: a job may wait from then on.
    tags = {
        "aws:instance-id": instance,
        "aws:instance-type": _read_metadata(context, "instance-type", PATIENCE),
    }
    wanted = expected(context.host, instance)
    gate = Gate(wanted, context.metadata, cloud, context.clock, limits.gate_interval, not first)
    proven = gate.prove(limits.gate_streak, limits.gate)
    keys = _report_as_sandbox(context, reporter, cloud, wanted, proven)
    if not first:
        reporter.step("looking for the order to start")
        reporter.remember(start=boots.obey(context, reporter))

    # Now, because no job waits yet. The rules can still be opened for a queue with `imds: job`: no
    # process of the job user exists so far.
    closure = Closure(context, Imds.SUPERVISOR, JOB_USER)
    closure.close()
    # Before the report: the report may arrive although its answer is lost, and then a job is bound.
    keep.forbid(context)
    reporter.send(Phase.SANDBOXED, limits.silence)

    try:
        # Now, because the control plane takes longer than this to find a job.
        containers.open_runtime_directory(machine)
        reporter.step("waiting for a job")
        letter = _wait_for_assignment(context, reporter, closure)
    except GoingDown as end:
        # No failure: EC2 presses the power button of an instance that it stops.
        reporter.note(f"{end.reason}, and the host had no job")
        reporter.try_send(Phase.SANDBOXED, limits.last_report, reason=end.reason)
        return
    found = assignment.parse(letter.assignment, machine.boot_id(), context.host.queue)
    context.scrub.learn(found.token)
    reporter.remember(job=found.job)
    boots.note_job(machine, found.job)
    agent.check_settings(installed, found.config)
    docker.check(machine, found.root)
    found = replace(found, tags=agent.with_tags(found.tags, tags))

    reporter.step("passing the gate once more")
    proven = gate.prove(1, limits.gate_again)
    if found.imds is Imds.OFF:
        keys.use_until_expiry(proven.credentials)
    closure = Closure(context, found.imds, JOB_USER)
    if found.imds is Imds.SUPERVISOR:
        closure.check()
    else:
        closure.close()
    access = giving.Access(keys, cloud.region)
    given = giving.give(context, reporter, access, installed, found)
    machine.write_file(context.places.policy, json.dumps(check.policy(found, given)).encode())

    looks = job.Looks(Notices(context.metadata, reporter, found.imds).look, closure.look)
    ending = job.run(context, reporter, job.Start(installed, found, given), looks)
    reporter.step(f"the agent ended with {ending.code}")
    facts = {"exit": ending.code, "reason": ending.reason, "words": ending.words}
    reporter.try_send(Phase.DONE, limits.last_report, **facts)


def _report_as_sandbox(
    context: Context, reporter: Reporter, cloud: Cloud, wanted: Expected, proven: Proven
) -> Keys:
    """Report into the sandbox row from now on; STS has given its key."""
    keys = Keys(context.metadata, wanted.role, context.clock, context.scrub)
    keys.use(proven.credentials)
    reporter.use_row(Mailbox(cloud, context.host.mailbox, proven.caller.user_id), keys)
    return keys


def _wait_for_assignment(context: Context, reporter: Reporter, closure: Closure) -> Letter:
    """Poll the mailbox until it holds an assignment; returns the row's content.

    The notice has a row of its own, which is read only as often as AWS recommends to look.

    Raises HostFailure when the mailbox is out of reach for `limits.silence`, when spot announces an
    interruption, when the metadata rules are gone, and after `limits.idle` without a job.
    """
    clock, limits = context.clock, context.limits
    began = heard = next_notice = clock.seconds()
    notices = Notices(context.metadata, reporter, Imds.SUPERVISOR)
    while True:
        now = clock.seconds()
        try:
            letter = reporter.read_row()
        except (AwsError, ImdsError) as error:
            if now - heard >= limits.silence:
                minutes = limits.silence / 60
                raise HostFailure(
                    f"the mailbox is out of reach for {minutes:g} minutes: {error}"
                ) from error
        else:
            heard = now
            if letter.assignment is not None:
                return letter
        if now >= next_notice:
            next_notice = now + limits.notices
            if removed := closure.look():
                raise HostFailure(f"{removed} before the host had a job")
            if (notice := notices.look()) is not None:
                reporter.remember(notice=notice)
                raise HostFailure(f"spot takes the instance at {notice}, before it had a job")
        if now - began >= limits.idle:
            raise HostFailure(f"no job came within {limits.idle / 3600:g} hours")
        clock.sleep(max(0.0, now + limits.poll - clock.seconds()))


def _give_up(context: Context, reporter: Reporter, failure: HostFailure) -> None:
    """Report the failure, then keep the host for a look if the operator wants that."""
    try:
        _report_failure(context, reporter, failure)
        keep.hold_failed_host(context)
    except GoingDown as end:
        reporter.note(end.reason)


def _report_failure(context: Context, reporter: Reporter, failure: HostFailure) -> None:
    """Report the failure; without a row so far, into the row of the role that IMDS serves now.

    A boot that is not surely the first asks for no credentials but those of the sandbox role.
    """
    if not reporter.has_row:
        try:
            seconds = context.limits.last_report
            served = _read_metadata(context, "iam/security-credentials/", seconds)
            allowed = served == role_name(context.host.sandbox_role)
            if allowed or boots.is_surely_first(context.machine):
                _report_as(context, reporter, served, seconds)
            else:
                reporter.note(f"no row to report into: IMDS serves the role {served!r}")
        except (AwsError, ImdsError) as error:
            reporter.note(f"no row to report into: {error}")
    reporter.fail(failure)
