"""The local AWS as a whole: start, deployment, inspection, stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

from buildkite_emulator.serving.distance import with_latency
from buildkite_emulator.serving.server import Answer, HttpServer
from mayfly_lab.aws import application, changes, managed, quotas, transactions
from mayfly_lab.aws import cloud as moto_cloud
from mayfly_lab.aws.application import MotoApplication
from mayfly_lab.aws.bus import EventBus
from mayfly_lab.aws.changes import ParameterChanges
from mayfly_lab.aws.clients import client
from mayfly_lab.aws.cloud import Cloud
from mayfly_lab.aws.config import LabConfig
from mayfly_lab.aws.deploy import completions, extensions, intrinsics
from mayfly_lab.aws.deploy.recorder import Recorder
from mayfly_lab.aws.deploy.stacks import Deployed, Deployer, Deployment, QueueStack
from mayfly_lab.aws.ec2.ec2 import Ec2
from mayfly_lab.aws.ec2.launching import Launcher
from mayfly_lab.aws.ec2.life import Life
from mayfly_lab.aws.ec2.moments import Moments
from mayfly_lab.aws.ec2.operations import Operations
from mayfly_lab.aws.ec2.profiles import Profiles
from mayfly_lab.aws.ec2.rights import LaunchRights
from mayfly_lab.aws.front.authoriser import Authoriser
from mayfly_lab.aws.front.buckets import Buckets
from mayfly_lab.aws.front.call import Call, Principal
from mayfly_lab.aws.front.credentials import Credentials
from mayfly_lab.aws.front.door import FrontDoor
from mayfly_lab.aws.front.iam.deciding import PolicyAuthoriser
from mayfly_lab.aws.front.iam.facts import Facts
from mayfly_lab.aws.front.iam.policies import DeployedPolicies
from mayfly_lab.aws.front.journal import Journal
from mayfly_lab.aws.front.own import Layers
from mayfly_lab.aws.front.reading import read_models
from mayfly_lab.aws.front.sessions import Sessions
from mayfly_lab.aws.front.traffic import Traffic
from mayfly_lab.aws.functions import api
from mayfly_lab.aws.functions.environment import FunctionSpec
from mayfly_lab.aws.functions.fork_server import ForkServer
from mayfly_lab.aws.functions.functions import Functions
from mayfly_lab.aws.patches import Patches
from mayfly_lab.aws.people import ADMINISTRATOR, LAB, OPERATOR, POLICIES, SECURITY_OWNER
from mayfly_lab.aws.prices import get_products
from mayfly_lab.aws.triggers.asynchronous import AsyncInvoker
from mayfly_lab.aws.triggers.schedules import Schedules
from mayfly_lab.aws.triggers.stream import StreamTrigger
from mayfly_lab.aws.triggers.targets import Targets
from mayfly_lab.aws.watch import answers, queries
from mayfly_lab.aws.watch.watch import Watch
from mayfly_lab.aws.wiring import FunctionSource, Trigger, create_environment, event_sources
from mayfly_lab.aws.world import World
from mayfly_lab.contracts import InstanceView, Keys, Listener, MachineRoom
from mayfly_lab.faults import Faults

_FOREVER = timedelta(days=365)
# One call at a time: in these backends of moto, check and write must not be interleaved.
_LOCKED = ("cloudformation", "dynamodb", "ec2", "events", "iam", "ssm")
OpenRoom = Callable[[InstanceView, Listener], MachineRoom]
"""Builds the machine room from the instances that IMDS serves, and the server of AWS."""


class LocalAws:
    """AWS in this process. One at a time: moto's state is global to the process.

    Order of use: `start()`, `deploy(…)`, `wake()`, work, `stop()`. After `stop`, only the files in
    `config.home` remain.
    """

    def __init__(
        self,
        config: LabConfig,
        open_room: OpenRoom,
        authoriser: Authoriser | None = None,
        clock: Callable[[], float] = time.time,
        faults: Faults | None = None,
    ) -> None:
        config.home.mkdir(parents=True, exist_ok=True)
        self._open_room = open_room
        self._world = World(
            config,
            Cloud(config.region),
            Journal(config.home / "journal.jsonl", clock),
            faults or Faults(clock),
            credentials=Credentials(clock),
            clock=clock,
        )
        self._bus = EventBus(self._world)
        self._changes = ParameterChanges(self._bus)
        self._recorder = Recorder()
        self._patches = Patches(
            [
                *application.patches(),
                *moto_cloud.patches(),
                *managed.patches(),
                *changes.patches(),
                *transactions.patches(),
                *self._bus.patches(),
                *intrinsics.patches(),
                *extensions.patches(),
                *completions.patches(),
                *answers.patches(),
                *queries.patches(),
                *self._recorder.patches(),
            ]
        )
        self.traffic = Traffic() if config.traces else None
        self._authoriser = authoriser
        self._triggers: list[Trigger] = []
        self._closing = ExitStack()
        self._stack = ""

    # These parts exist only after `start`.
    ec2: Ec2
    functions: Functions
    listener: HttpServer
    administrator: Keys
    operator: Keys
    """Keys with the rights of the deployed OperatorsPolicy, and none before the deployment."""
    security_owner: Keys
    iam: PolicyAuthoriser
    """Decides every call by the policies in force."""
    sessions: Sessions
    """Issues credentials of any role."""
    watch: Watch
    """CloudWatch: the functions' logs, metrics and alarms."""
    _own: Keys
    _door: FrontDoor
    _invoker: AsyncInvoker
    _schedules: Schedules

    @property
    def config(self) -> LabConfig:
        """The settings of this local AWS."""
        return self._world.config

    @property
    def endpoint(self) -> str:
        """The URL for `AWS_ENDPOINT_URL`."""
        return self.listener.url

    @property
    def journal(self) -> Journal:
        """The journal of every call and every change of state."""
        return self._world.journal

    @property
    def credentials(self) -> Credentials:
        """The issuer of credentials, for tests and for principals that are not functions."""
        return self._world.credentials

    @property
    def faults(self) -> Faults:
        """The faults that are turned on."""
        return self._world.faults

    @property
    def moments(self) -> Moments:
        """States and profiles of every instance over time."""
        return self.ec2.moments

    @property
    def failures(self) -> list[Exception]:
        """Errors inside the lab itself; empty when the lab works."""
        return self._world.timers.failures

    def start(self) -> str:
        """Start AWS without any stack. Returns its endpoint.

        Raises:
            RuntimeError: another local AWS exists in this process.
            MotoChangedError: moto has another version than the lab's patches.
        """
        self._world.cloud.open()
        self._closing.callback(self._world.cloud.close)
        try:
            self._start()
        except BaseException:
            self._closing.close()
            raise
        return self.endpoint

    def deploy(self, deployment: Deployment, dependencies: Path | None = None) -> Deployed:
        """Deploy the control plane and its queues. The triggers start with `wake`.

        `dependencies` is a build of the dependencies layer for this host; without one, functions
        import from this environment.

        Raises:
            TemplateError: a parameter is not allowed.
            BuildError: a layer cannot be built.
            StaleBundleError: `make bundle` was not run.
            UnsupportedResourceError: the lab would lose a part of a template.
        """
        deployer = self._deployer()
        self._stack = deployment.stack
        if deployment.token:
            self._door.scrubber.learn(deployment.token)
        translation = deployer.control(deployment)
        source = FunctionSource(self._world, self._recorder, translation.sources, dependencies)
        for spec in source.specs(deployment.stack):
            self.functions.add(spec)
        # Only now do the functions exist that a new parameter's event may wake.
        self._recorder.made = self._changes.made
        queues = {queue.key: self.deploy_queue(deployment, queue) for queue in deployment.queues}
        if nested := deployment.parameters.get("QueueKey"):
            queues[nested] = deployer.published(deployment.stack, nested)
        return Deployed(deployment.stack, queues, translation.sources)

    def deploy_queue(self, deployment: Deployment, queue: QueueStack) -> Mapping[str, Any]:
        """Deploy a queue's own stack. Returns the facts that the stack publishes.

        Raises:
            TemplateError: a parameter is not allowed.
            UnsupportedResourceError: the lab would lose a part of the template.
        """
        return self._deployer().queue(deployment, queue)

    def wake(self) -> None:
        """Start the triggers of the functions: schedules, queues and the table's stream."""
        self._triggers = event_sources(self._world, self.functions)
        for trigger in self._triggers:
            trigger.start()
        self._schedules.start()
        self.watch.start()

    def client(self, service: str) -> Any:
        """A boto3 client with the credentials of `people.LAB`, whose calls no fault strikes."""
        return client(service, self.endpoint, self.config.region, self._own)

    def log_of(self, function: str) -> Path:
        """The log file of a function, by its short name, such as `dispatch`."""
        return self.functions.spec(f"{self._stack}-{function}").log

    def stop(self) -> None:
        """End every worker and machine, and restore moto."""
        self._closing.close()

    def _start(self) -> None:
        """Start all parts. Each registers how it is stopped; `stop` runs in reverse order."""
        world, closing = self._world, self._closing
        closing.callback(world.journal.close)
        self._patches.install()
        closing.callback(extensions.forget_models)
        closing.callback(self._patches.remove)
        extensions.forget_models()
        read_models()
        facts = Facts(world.cloud, lambda: self.ec2)
        policies = DeployedPolicies(world.cloud, self._policy_of)
        self.iam = PolicyAuthoriser(facts, policies, world.clock)
        self.sessions = Sessions(world.cloud, world.credentials)
        self._door = FrontDoor(
            cloud=MotoApplication(),
            credentials=world.credentials,
            authoriser=self._authoriser or self.iam,
            journal=world.journal,
            faults=world.faults,
            layers=Layers(world.cloud, world.clock),
            traffic=self.traffic,
            buckets=Buckets() if world.config.throttling else None,
            locks=dict.fromkeys(_LOCKED, world.lock),
            skew=lambda principal: self.ec2.clock_skew(principal.name),
            undisturbed=frozenset({LAB.name}),
        )
        reached = with_latency(self._door.answer, world.config.latency)
        self.listener = HttpServer(reached, port=world.config.port)
        self.listener.start()
        closing.callback(self.listener.stop)
        self.administrator = world.credentials.issue(ADMINISTRATOR, _FOREVER)
        self.operator = world.credentials.issue(OPERATOR, _FOREVER)
        self.security_owner = world.credentials.issue(SECURITY_OWNER, _FOREVER)
        self._own = world.credentials.issue(LAB, _FOREVER)
        self._start_ec2()
        self._start_functions()
        world.timers.start()
        # Timers stop first, so that none fires for a machine or worker that has ended.
        closing.callback(world.timers.stop)
        closing.callback(self._begin_stop)
        self._door.observers.extend((self._changes.called, self._wake_streams))

    def _policy_of(self, person: str) -> str:
        """The deployed policy of a person as JSON; empty where the stack is not deployed."""
        for policy in self._recorder.of(self._stack, "AWS::IAM::ManagedPolicy"):
            if policy.logical_id == POLICIES[person]:
                return self._world.cloud.policy(policy.made.arn)
        return ""

    def _begin_stop(self) -> None:
        for trigger in self._triggers:
            trigger.begin_stop()

    def _stop_triggers(self) -> None:
        for trigger in self._triggers:
            trigger.stop()

    def _start_functions(self) -> None:
        world = self._world
        self.functions = Functions(world, self._environment)
        self.watch = Watch(world, self.functions.all)
        self.functions.begun = self.watch.begun
        self._invoker = AsyncInvoker(world, self.functions)
        self._closing.callback(self._invoker.stop)
        self._closing.callback(self._stop_triggers)
        self._closing.callback(self.functions.close)
        deliver = Targets(world, self._invoker.submit).deliver
        self._bus.deliver = deliver
        self._schedules = Schedules(world, deliver)
        self._door.kill = self.functions.kill
        self._door.operations |= api.operations(self.functions, self._invoker.submit)

    def _start_ec2(self) -> None:
        world, cloud = self._world, self._world.cloud
        moments = Moments(world.clock)
        life = Life(world, self._bus, moments, Profiles(world, moments))
        self.ec2 = Ec2(life)
        life.room = self._open_room(self.ec2, self.listener)
        self._closing.callback(life.room.close)
        launcher = Launcher(
            self.ec2,
            cloud.backend("ec2"),
            cloud.parameter,
            cloud.profile,
            LaunchRights(self.iam).require,
        )
        self._door.operations |= Operations(self.ec2, launcher).table()
        self._door.operations["pricing:GetProducts"] = get_products
        self._door.operations |= quotas.operations()
        self._door.operations["sts:AssumeRole"] = self.sessions.assume_role

    def _environment(self, spec: FunctionSpec, fork_server: ForkServer) -> Any:
        return create_environment(self._world, self._stack, self.endpoint, fork_server, spec)

    def _wake_streams(self, _: Principal, call: Call, __: Answer) -> None:
        """Wake the stream's reader after a DynamoDB call, ahead of its next poll."""
        if call.service == "dynamodb":
            for trigger in self._triggers:
                if isinstance(trigger, StreamTrigger):
                    trigger.written()

    def _deployer(self) -> Deployer:
        clients = {name: self.client(name) for name in ("s3", "ssm", "cloudformation")}
        cloud = self._world.cloud
        return Deployer(clients, self._world.config.region, cloud.vpc(), cloud.subnets(2))
