"""What check-profiles' instance writes of its metadata service, and what follows from that."""

from __future__ import annotations

import ast
import gzip
import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mayfly_cli.check_profiles import running, watch
from mayfly_cli.check_profiles.readings import Reading, read, summary, switch
from mayfly_cli.check_profiles.roles import NAMES

OLD, NEW = NAMES


# -- the instance's program ------------------------------------------------------------------------


@dataclass
class Metadata:
    """A metadata service that serves these roles; None for no answer."""

    profile: str | None = OLD
    listed: tuple[str, ...] = (OLD,)
    served: tuple[str, ...] = (OLD,)

    def answer(self, path: str) -> tuple[int, str]:
        if path.endswith("/api/token"):
            return 200, "token"
        if self.profile is None:
            return 503, ""
        if path.endswith("/iam/info"):
            arn = f"arn:aws:iam::123456789012:instance-profile/{self.profile}"
            return (200, json.dumps({"InstanceProfileArn": arn})) if self.profile else (404, "")
        role = path.rpartition("/")[2]
        if not role:
            return 200, "\n".join(self.listed)
        return (200, '{"Code": "Success"}') if role in self.served else (404, "")


@pytest.fixture
def metadata() -> Iterator[tuple[Metadata, str]]:
    state = Metadata()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = state.answer(self.path)
            self.send_response(status)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_PUT = do_GET  # noqa: N815 - the server's name

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield state, f"http://127.0.0.1:{server.server_port}/latest"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("served", "told"),
    [
        (Metadata(), (OLD, OLD, OLD)),
        (Metadata(NEW, (NEW,), (OLD, NEW)), (NEW, NEW, f"{OLD},{NEW}")),
        (Metadata("", (), ()), ("none", "none", "none")),
        (Metadata(None), ("?", "?", "?")),
    ],
)
def test_a_reading_tells_each_path_apart(
    metadata: tuple[Metadata, str], served: Metadata, told: tuple[str, ...]
) -> None:
    state, base = metadata
    state.__dict__.update(served.__dict__)
    assert watch.reading(base, list(NAMES)) == told


def test_a_service_that_cannot_be_reached_is_unknown_and_not_empty() -> None:
    assert watch.reading("http://127.0.0.1:9/latest", list(NAMES)) == ("?", "?", "?")


def test_only_changes_are_written_to_the_console(
    metadata: tuple[Metadata, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, base = metadata
    later = [Metadata(), Metadata(NEW, (OLD,), (OLD,)), Metadata(NEW, (NEW,), (NEW,))]
    lines: list[str] = []
    ended: list[list[str]] = []

    def step(_: float) -> None:
        if later:
            state.__dict__.update(later.pop(0).__dict__)

    monkeypatch.setattr(watch, "say", lambda _, line: lines.append(line))
    monkeypatch.setattr("time.sleep", step)
    monkeypatch.setattr("subprocess.run", lambda argv, **_: ended.append(argv))
    watch.main(list(NAMES), 0.5 / 60, base, str(tmp_path / "console"))
    assert [line.split("|")[2:] for line in lines] == [
        [OLD, OLD, OLD],
        [NEW, OLD, OLD],
        [NEW, NEW, NEW],
    ]
    assert ended == [["systemctl", "poweroff"]]


def test_the_line_on_the_console_is_what_the_caller_reads(tmp_path: Path) -> None:
    console = tmp_path / "console"
    console.touch()
    watch.say(str(console), "|".join(("7", "1700000000123", OLD, "none", f"{OLD},{NEW}")))
    shown = f"[ 1.2] noise\r\n{console.read_text()}"
    assert read(shown, {}) == {7: Reading(1700000000.123, OLD, "none", f"{OLD},{NEW}")}


def test_the_program_of_the_instance_is_python_39_and_imports_the_standard_library_alone() -> None:
    tree = ast.parse(Path(watch.__file__).read_text(), feature_version=(3, 9))
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    named = {getattr(node, "module", None) or node.names[0].name for node in imported}
    assert {name.partition(".")[0] for name in named} <= set(sys.stdlib_module_names)


def test_the_user_data_holds_the_program_whole_and_is_small_enough() -> None:
    packed = running.user_data()
    script = gzip.decompress(packed).decode()
    assert len(packed) <= 16 * 1024
    assert Path(watch.__file__).read_text() in script
    assert script.rstrip().endswith(" ".join(NAMES))


# -- what follows from readings --------------------------------------------------------------------


def test_times_are_those_of_the_first_reading_of_each_path_after_the_call() -> None:
    seen = switch(
        NEW,
        OLD,
        100.0,
        100.4,
        [
            Reading(90.0, NEW, NEW, NEW),  # of an earlier run
            Reading(103.0, NEW, OLD, OLD),
            Reading(104.0, NEW, NEW, f"{OLD},{NEW}"),
            Reading(106.0, NEW, NEW, NEW),
        ],
    )
    assert (seen.profile, seen.listed, seen.served, seen.whole) == (3.0, 4.0, 6.0, 6.0)
    assert seen.associated == pytest.approx(0.4)
    assert (seen.returned, seen.silent) == (0, 0)


def test_a_return_of_the_old_role_and_a_silent_path_are_counted() -> None:
    seen = switch(
        NEW,
        OLD,
        100.0,
        None,
        [
            Reading(101.0, NEW, NEW, NEW),
            Reading(102.0, NEW, OLD, NEW),
            Reading(103.0, "?", NEW, NEW),
            Reading(104.0, NEW, NEW, f"{OLD},{NEW}"),
        ],
    )
    assert (seen.returned, seen.silent, seen.associated) == (2, 1, None)


def test_the_table_names_how_many_runs_each_time_comes_from() -> None:
    readings = [Reading(100.0 + n, NEW, NEW, NEW) for n in range(3)]
    switches = [switch(NEW, OLD, 100.0, 100.1, [each]) for each in readings]
    switches.append(switch(NEW, OLD, 100.0, None, []))
    lines = summary(switches)
    assert lines[-3].split()[-5:] == ["3", "0.0", "1.0", "2.0", "2.0"]
    assert all(len(line) <= 80 for line in lines)
