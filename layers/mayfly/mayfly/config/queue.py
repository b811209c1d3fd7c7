"""The configuration of one queue, checked and complete, for decisions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any

from mayfly.config.roles import FEWEST_MINUTES, MOST_MINUTES, RoleLine
from mayfly.config.rules import UNREADABLE, Condition, Rule
from mayfly.config.schedule import Schedule
from mayfly.config.schedule_text import parse_schedule
from mayfly.errors import Misconfigured
from mayfly.records.model import QueueRecord
from mayfly_protocol.parameters import SCRIPT_MINUTES, ScriptPlace

DEFAULT_TYPES: Mapping[str, tuple[str, ...]] = {
    "x86_64": ("m7i.large", "m6i.large", "m6a.large", "m5.large"),
    "arm64": ("m7g.large", "m6g.large", "c7g.xlarge", "c6g.xlarge"),
}
"""Instance types by architecture where `launch/instance-types` is absent.

Each has 8 GiB of memory. The types are of several generations, so that one of them has capacity.
"""


@dataclass(frozen=True, slots=True)
class Script:
    """The operator's bootstrap script.

    `version` is the SSM parameter's version, so writing the parameter again is a change.
    """

    url: str
    minutes: int
    version: int
    object_version: str = ""
    """Id of the object's version at S3; empty for the latest one."""
    sha256: str = ""
    """Digest of the content in hex; empty for any content."""

    @classmethod
    def placed(cls, place: ScriptPlace, version: int) -> Script:
        """The script that the SSM parameter names in this version of the parameter."""
        minutes = SCRIPT_MINUTES if place.minutes is None else place.minutes
        return cls(place.url, minutes, version, place.version, place.sha256)

    @property
    def pinned(self) -> bool:
        """Whether a host refuses an object that was written later under the same name."""
        return bool(self.object_version or self.sha256)

    def to_list(self) -> list[str | int]:
        """All fields in order, for records and hashes; without a pin as before pins existed."""
        pin = [self.object_version, self.sha256] if self.pinned else []
        return [self.url, self.minutes, self.version, *pin]


SPOT_FIRST_ATTEMPT = "spot-first-attempt"
"""Value of `launch/purchase`: a job's later attempts and retries are bought on demand."""

GRANTED = (
    "secrets_path",
    "shared_ssh_keys",
    "ssh_during_command",
    "known_hosts",
    "over_443",
    "roles",
)
"""Fields that say what a job is given besides its machine."""
_LATER = (
    *("boot_minutes", "grace", "per_pipeline", "generation", "stopped", "max_stopped"),
    *GRANTED,
    "grants_unread",
)
"""Fields added later. The stored form omits a field at its default, which is what held before."""
_TIMES = frozenset({"max_idle", "grace", "max_stopped", "keep_failed"})
"""Fields with a length of time. The stored form has its seconds."""

NO_POOL = Schedule(0)
"""The schedule of a pool without instances."""

_SCHEDULES = frozenset({"hot", "stopped"})
"""Fields with a schedule. The stored form of a count that never changes is the count, as before."""


@dataclass(frozen=True, slots=True)
class QueueConfig:
    """The configuration in force for a queue. Defaults are the defaults of absent parameters."""

    queue: str
    hot: Schedule = NO_POOL
    """How many hot instances the pool keeps, by the clock."""
    stopped: Schedule = NO_POOL
    """How many stopped instances the pool keeps, by the clock."""
    max_stopped: timedelta = timedelta(hours=168)
    """Age at which a stopped instance is replaced, with its image and what its script fetched."""
    max_idle: timedelta = timedelta(hours=12)
    grace: timedelta = timedelta(minutes=5)
    """How long an idle instance that neither job nor pool needs is kept."""
    max_instances: int = 50
    max_launches_per_minute: int = 100
    per_pipeline: int | None = None
    """How many jobs of one pipeline may have an instance at the same time; None for no limit."""
    architecture: str = "x86_64"
    """`x86_64` or `arm64`."""
    instance_types: tuple[str, ...] = DEFAULT_TYPES["x86_64"]
    """In order of preference, all of the queue's architecture."""
    purchase: str = "on-demand"
    """`spot`, `on-demand`, `spot-then-on-demand` or `spot-first-attempt`."""
    boot_minutes: int | None = None
    """Minutes until a host's first report; None for the default of the instance type."""
    tags: Mapping[str, str] = field(default_factory=dict)
    max_minutes: int = 720
    attempts: int = 3
    root: str = "no"
    """`no` or `yes`."""
    imds: str = "supervisor"
    """`off`, `supervisor` or `job`."""
    rules: tuple[Rule, ...] = ()
    repository_from: str | None = None
    paused: bool = False
    generation: str = ""
    """The operator's word for the present generation of instances."""
    script: Script | None = None
    agent_config: str = ""
    """Lines `name=value`, in the agent's own format."""
    keep_failed: timedelta = timedelta()
    secrets_path: str | None = None
    """Folder of SSM parameters with the queue's secrets, without a slash at the end; None: none."""
    shared_ssh_keys: tuple[str, ...] = ()
    """Full names of parameters with the ssh keys that every pipeline of the queue may use."""
    ssh_during_command: bool = False
    """Whether the repository's ssh key also serves the job's command."""
    known_hosts: str = ""
    """Lines of known_hosts(5), for the ssh of jobs."""
    over_443: tuple[str, ...] = ()
    """Git hosts that ssh reaches by port 443."""
    roles: tuple[RoleLine, ...] = ()
    """Which jobs get which AWS role."""
    grants_unread: bool = False
    """Whether the present parameters of secrets, ssh and roles cannot be read; the fields above are
    then the last ones that could."""

    @property
    def has_grants(self) -> bool:
        """Whether jobs are given more than a machine: secrets, a role, what their ssh needs."""
        return any(getattr(self, name) != getattr(_USUAL, name) for name in GRANTED)

    @property
    def restricted(self) -> bool:
        """Whether `dispatch` must read a job's environment before reserving the job."""
        return bool(self.rules) or self.repository_from is not None or self.has_grants

    @property
    def reads_environments(self) -> bool:
        """Whether `dispatch` reads the environments of new jobs, be it only to know retries."""
        return self.restricted or self.purchase == SPOT_FIRST_ATTEMPT

    @property
    def policy_unread(self) -> bool:
        """Whether the present policy cannot be read; `rules_read` and others are the last ones."""
        return UNREADABLE in self.rules

    @property
    def rules_read(self) -> tuple[Rule, ...]:
        """The rules of the last policy that was read."""
        return tuple(rule for rule in self.rules if rule != UNREADABLE)

    @property
    def closed(self) -> bool:
        """Whether no policy was ever read: the first one cannot be read."""
        return self.policy_unread and not self.rules_read and self.repository_from is None

    def to_json(self) -> str:
        """The stored form, for the queue's record; equal configurations give equal text."""
        plain: dict[str, Any] = {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if each.name not in _LATER or getattr(self, each.name) != each.default
        }
        for name in plain.keys() & _SCHEDULES:
            plain[name] = _stored_schedule(getattr(self, name))
        for name in plain.keys() & _TIMES:
            plain[name] = getattr(self, name).total_seconds()
        plain["tags"] = dict(self.tags)
        plain["rules"] = [_stored_rule(rule) for rule in self.rules]
        if self.roles:
            plain["roles"] = [[*_stored_rule(r.rule), r.arn, r.minutes] for r in self.roles]
        plain["script"] = self.script and self.script.to_list()
        return json.dumps(plain, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> QueueConfig:
        """The configuration from text that `to_json` wrote.

        Raises Misconfigured for any other text. A missing field is an error, not a default, unless
        the field was added later: missing `rules` would mean an unrestricted queue.
        """
        try:
            plain: dict[str, Any] = json.loads(text)
            known = [f.name for f in fields(cls) if f.name in plain or f.name not in _LATER]
            values = {name: plain[name] for name in known}
            for name in plain.keys() & _SCHEDULES:
                values[name] = _schedule(plain[name])
            for name in plain.keys() & _TIMES:
                values[name] = _duration(plain[name])
            values["instance_types"] = tuple(_texts(plain["instance_types"]))
            values["rules"] = tuple(_rule(*stored) for stored in plain["rules"])
            values["roles"] = tuple(_role(*stored) for stored in plain.get("roles", ()))
            for name in plain.keys() & _LISTS:
                values[name] = tuple(_texts(plain[name]))
            values["script"] = _script(plain["script"])
            _check_kinds(values)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise Misconfigured(f"not a stored configuration of a queue: {error!r}") from error
        return cls(**values)


_LISTS = frozenset({"shared_ssh_keys", "over_443"})
"""Fields with texts that are stored as a list."""
_LONGEST = timedelta(days=366)
_USUAL = QueueConfig(queue="")
"""Each field with the kind of value that it holds; the defaults of absent parameters."""


def _check_kinds(values: Mapping[str, Any]) -> None:
    """Raise TypeError for a value of another kind than its field's default.

    Another version of Mayfly, or a person, may have written the record. Written by hand, because
    decisions import this module, and pydantic is slow to load.
    """
    for name, value in values.items():
        default = getattr(_USUAL, name)
        alike = isinstance(value, type(default)) or isinstance(default, type(value))
        truth = isinstance(value, bool) is not isinstance(default, bool)
        if default is not None and (truth or not alike):
            raise TypeError(f"{name}: {type(value).__name__} in place of {type(default).__name__}")
    for name in ("repository_from", "secrets_path"):
        if values.get(name) is not None:
            _text(values[name])
    _texts(list(values["tags"]))
    _texts(list(values["tags"].values()))


def _duration(stored: Any) -> timedelta:
    """The duration of so many seconds; a longer one could lead out of the calendar."""
    found = timedelta(seconds=stored)
    if not timedelta(0) <= found <= _LONGEST:
        raise ValueError(f"{stored} seconds")
    return found


def _stored_schedule(schedule: Schedule) -> int | str:
    return str(schedule) if schedule.entries else schedule.default


def _schedule(stored: object) -> Schedule:
    """The schedule of a stored count or text; a truth value is no count."""
    if isinstance(stored, int) and not isinstance(stored, bool):
        return Schedule(stored)
    return parse_schedule(_text(stored))


def _text(stored: object) -> str:
    if not isinstance(stored, str):
        raise TypeError(f"{type(stored).__name__} in place of a text")
    return stored


def _texts(stored: object) -> list[str]:
    if not isinstance(stored, list):
        raise TypeError(f"{type(stored).__name__} in place of a list")
    return [_text(each) for each in stored]


def _stored_rule(rule: Rule) -> list[Any]:
    return [rule.name, [[each.key, each.values] for each in rule.conditions]]


def _rule(name: Any, conditions: Any) -> Rule:
    return Rule(_text(name), tuple(map(_condition, conditions)))


def _role(name: Any, conditions: Any, arn: Any, minutes: Any) -> RoleLine:
    if not isinstance(minutes, int) or not FEWEST_MINUTES <= minutes <= MOST_MINUTES:
        raise ValueError(f"{minutes!r} minutes of a role")
    return RoleLine(_rule(name, conditions), _text(arn), minutes)


def _condition(stored: Any) -> Condition:
    """The condition of a stored pair of key and words; text in place of the words is refused."""
    key, words = stored
    return Condition(_text(key), tuple(_texts(words)))


def _script(stored: Any) -> Script | None:
    if stored is None:
        return None
    url, minutes, version, *pin = stored
    if not isinstance(minutes, int) or not isinstance(version, int):
        raise TypeError("the script's minutes and version are numbers")
    object_version, sha256 = map(_text, pin or ("", ""))
    return Script(_text(url), minutes, version, object_version, sha256)


def in_force(record: QueueRecord) -> QueueConfig | None:
    """The last good configuration; None for a queue that never had one.

    A queue without its stack (`active` False) is paused and has no warm pool, whatever SSM says.
    """
    if not record.config:
        return None
    config = QueueConfig.from_json(record.config)
    if record.active:
        return config
    return replace(config, paused=True, hot=NO_POOL, stopped=NO_POOL)
