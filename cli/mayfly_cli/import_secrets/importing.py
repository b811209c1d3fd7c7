"""`mayfly import-secrets`: reads the bucket, shows the plan, asks, writes and reads back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from botocore.exceptions import BotoCoreError, ClientError

from mayfly.adapters.aws.boto_errors import code_of
from mayfly_cli.account import is_refusal
from mayfly_cli.confirmation import confirmed
from mayfly_cli.deploy_keys.stored import KEY
from mayfly_cli.ends import Stopped, UsageError
from mayfly_cli.import_secrets.bucket import LONGEST, Bucket, BucketUrl, bucket_url
from mayfly_cli.import_secrets.layout import Kind, Placed, placed
from mayfly_cli.import_secrets.planning import Left, Plan, Wanted, plan, public_name
from mayfly_cli.import_secrets.result import Imported, Row, State
from mayfly_cli.operations.connection import Connection
from mayfly_cli.operations.refusals import why_not_asked
from mayfly_cli.queue_secrets.place import Place, place_of
from mayfly_cli.queue_secrets.store import SECURE, ParameterKind, SecretStore

PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds before each repetition of a throttled write. PutParameter has a low rate (Systems Manager
quotas), which a bucket of a hundred secrets meets."""
_THROTTLED = frozenset({"ThrottlingException", "Throttling", "TooManyUpdates"})


@dataclass(frozen=True, slots=True)
class Choices:
    """What the command line says besides bucket and queue."""

    pipeline: str | None
    overwrite: bool
    dry_run: bool
    ask: bool


def import_secrets(
    connection: Connection,
    address: str,
    queue: str,
    choices: Choices,
    tell: Callable[[Imported], None],
) -> Imported:
    """The plan with `dry_run`, else what was done. `tell` shows the plan before the question.

    Raises UsageError where bucket or queue cannot be read, and Stopped where nobody agrees.
    """
    where = bucket_url(address)
    place = place_of(connection, queue)
    objects, understood, made = _planned(connection, where, place, choices.pipeline)
    store = SecretStore(connection.account.client("ssm"), place.key)
    present = _present(store, [each.parameter for each in made.wanted])
    shown = Imported(
        queue=queue,
        path=place.path,
        bucket=f"s3://{where.bucket}/{where.prefix}",
        kms_key=place.key,
        understood=understood,
        rows=tuple(_row(each, present, overwrite=choices.overwrite) for each in made.wanted),
        left=(*_too_long(objects), *made.left),
        notes=made.notes if present.readable else (*made.notes, _UNREADABLE),
        shared_keys=made.shared_keys,
        done=False,
        suffix=connection.suffix,
    )
    if choices.dry_run or not shown.to_write:
        return replace(shown, done=not choices.dry_run)
    if choices.ask:
        tell(shown)
        if not confirmed("import", f"write {shown.to_write} parameters"):
            raise Stopped("nothing was written")
    return _Writing(connection, store, made, present, shown).run()


def _planned(
    connection: Connection, where: BucketUrl, place: Place, pipeline: str | None
) -> tuple[list[Placed], str, Plan]:
    bucket = Bucket(connection.account.client("s3"), where)
    listed = bucket.objects()
    if not listed:
        raise UsageError(f"s3://{where.bucket}/{where.prefix} has no objects")
    objects, understood = placed(listed, where.prefix, pipeline)
    short = [each for each in objects if each.kind is Kind.OTHER or each.size <= LONGEST]
    return list(objects), understood, plan(place.path, short, bucket.contents(short))


def _too_long(objects: list[Placed]) -> list[Left]:
    return [
        Left(each.key, f"it has {each.size:,} bytes, and was not read")
        for each in objects
        if each.kind is not Kind.OTHER and each.size > LONGEST
    ]


@dataclass(frozen=True, slots=True)
class _Present:
    """The wanted parameters that exist."""

    kinds: Mapping[str, str]
    values: Mapping[str, str] = field(repr=False)
    readable: bool
    """Whether the caller may read them; else there are no values."""


_UNREADABLE = "you may not read this queue's secrets, so values are neither compared nor read back"


def _present(store: SecretStore, names: Sequence[str]) -> _Present:
    kinds = {name: each.kind for name, each in store.known(names).items()}
    try:
        found = store.read(names, decrypted=True)
    except ClientError as error:
        if is_refusal(error):
            return _Present(kinds, {}, readable=False)
        raise
    return _Present(kinds, {name: each.value for name, each in found.items()}, readable=True)


def _row(wanted: Wanted, present: _Present, *, overwrite: bool) -> Row:
    kind = present.kinds.get(wanted.parameter)
    if kind is None:
        state = State.NEW
    elif kind == SECURE and present.values.get(wanted.parameter) == wanted.value:
        state = State.SAME
    elif overwrite and kind == SECURE:
        state = State.REPLACE
    else:
        state = State.DIFFERS  # SSM changes no parameter's type, so a String stays, too
    return Row(wanted.source, wanted.parameter, wanted.size, state)


@dataclass(frozen=True, slots=True)
class _Writing:
    """The writes of a plan. A repetition finds what is written already, and goes on."""

    connection: Connection
    store: SecretStore
    plan: Plan
    present: _Present
    shown: Imported

    def run(self) -> Imported:
        """What was done; after an error the rest stays open, with the reason."""
        written: dict[str, int] = {}
        stopped = ""
        try:
            for wanted, row in zip(self.plan.wanted, self.shown.rows, strict=True):
                if row.state in {State.NEW, State.REPLACE}:
                    written[wanted.parameter] = self._write(wanted, row)
            good = self._read_back(written)
        except (ClientError, BotoCoreError) as error:
            stopped, good = why_not_asked(error, self.connection.stack), frozenset(written)
        except KeyboardInterrupt:
            stopped, good = "by Ctrl-C; the same command goes on", frozenset(written)
        rows = tuple(replace(each, state=_after(each, good)) for each in self.shown.rows)
        return replace(self.shown, rows=rows, done=True, stopped=stopped)

    def _write(self, wanted: Wanted, row: Row) -> int:
        over = row.state is State.REPLACE
        version = self._put(wanted.parameter, wanted.value, over=over)
        if wanted.public and wanted.parameter.endswith(f"/{KEY}"):
            self._put(public_name(wanted), wanted.public, over=True, kind="String")
        return version

    def _put(self, name: str, value: str, *, over: bool, kind: ParameterKind = SECURE) -> int:
        for pause in PAUSES:
            try:
                return self.store.put(name, value, over=over, kind=kind)
            except ClientError as error:
                if code_of(error) not in _THROTTLED:
                    raise
            self.connection.sleep(pause)
        return self.store.put(name, value, over=over, kind=kind)

    def _read_back(self, written: Mapping[str, int]) -> frozenset[str]:
        """The parameters whose value in Parameter Store is the wanted one."""
        if not self.present.readable:
            return frozenset(written)
        now = self.store.read(list(written), decrypted=True)
        return frozenset(
            each.parameter
            for each in self.plan.wanted
            if each.parameter in now and now[each.parameter].value == each.value
        )


def _after(row: Row, good: frozenset[str]) -> State:
    if row.state not in {State.NEW, State.REPLACE}:
        return row.state
    return State.WRITTEN if row.parameter in good else State.OPEN
