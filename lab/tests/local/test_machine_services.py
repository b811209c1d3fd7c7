"""Services of unit files on a machine: starts, ends, and what follows from an end.

Each case was seen on Debian 12 (systemd 252) and holds for the lab's stand-ins.
"""

from __future__ import annotations

import pytest

from local.machine_kit import Bench

UNITS = 'units="${MAYFLY_ROOT:-}/etc/systemd/system"\ncd "${MAYFLY_ROOT:-}/tmp"\n'
NOTIFY = (
    "import os, socket, sys, time; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); "
    's.connect(os.environ["NOTIFY_SOCKET"]); '
)
"""Beginning of a program that talks to systemd."""


def unit(name: str, *lines: str) -> str:
    """A line of a script that writes a unit file."""
    body = "\\n".join(["[Service]", *lines])
    return f"printf '%b\\n' {_quoted(body)} >\"$units/{name}.service\"\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


@pytest.mark.parametrize(
    ("what", "put"),
    [
        ("file", 'touch "$units/x.service"'),
        ("link", 'ln -s /usr/lib/systemd/system/y.service "$units/x.service"'),
    ],
)
def test_masking_over_a_file_or_a_link_is_refused(bench: Bench, what: str, put: str) -> None:
    console = bench.run(
        f"{UNITS}{put}\nsystemctl mask --quiet a.service x.service; echo code=$?\n"
        'rm -f "$units/x.service"; systemctl mask --quiet x.service; echo then=$?\n'
        "systemctl is-enabled a.service x.service"
    )
    assert "already exists" in console
    assert ("and is a symlink to" in console) == (what == "link")
    assert "code=1\n" in console
    assert "then=0\nmasked\nmasked\n" in console


def test_a_new_unit_file_starts_without_a_reload_and_without_waiting(bench: Bench) -> None:
    console = bench.run(
        UNITS
        + unit("long", "Type=exec", "Environment=WHO=me", "ExecStart=bash -c 'echo $WHO; sleep 99'")
        + "systemctl start --no-block long; echo code=$?\n"
        "until systemctl is-active long; do sleep 0.1; done; sleep 0.3\n"
        "systemctl stop long; systemctl is-active long"
    )
    assert "code=0" in console
    assert "\nme\n" in console
    assert "inactive" in console


def test_the_start_of_a_oneshot_waits_for_its_end(bench: Bench) -> None:
    console = bench.run(
        UNITS
        + unit("once", "Type=oneshot", "ExecStart=bash -c 'sleep 0.3; echo done'")
        + "systemctl start once; echo code=$?"
    )
    assert "done\ncode=0\n" in console


def test_user_data_that_starts_a_unit_after_cloud_init_waits_for_itself(bench: Bench) -> None:
    console = bench.run(
        UNITS
        + unit("late", "After=cloud-final.service", "Type=oneshot", "ExecStart=echo late")
        + "timeout 1 systemctl start late; echo start=$?\n"
        "timeout 1 cloud-init status --wait; echo status=$?\n"
        "timeout 1 systemctl is-system-running --wait; echo running=$?\n"
        "systemctl is-system-running; echo now=$?"
    )
    assert "start=124" in console
    assert "status=124" in console
    assert "running=124" in console
    assert "starting\nnow=1" in console


def test_a_unit_of_its_own_does_not_wait_for_itself(bench: Bench) -> None:
    program = (
        "timeout 20 systemctl start late; echo start=$?; "
        "timeout 20 cloud-init status --wait; echo status=$?; "
        "timeout 20 systemctl is-system-running --wait; echo running=$?; poweroff"
    )
    bench.boot(
        UNITS
        + unit("late", "After=cloud-final.service", "Type=oneshot", "ExecStart=echo late")
        + unit("mine", "Type=exec", f'ExecStart=bash -c "{program}"')
        + "systemctl start --no-block mine"
    )
    console = bench.run_out()
    assert "late\nstart=0\n" in console
    assert "status: done\nstatus=0\n" in console
    assert "running\nrunning=0\n" in console


@pytest.mark.parametrize(
    ("lines", "ends"),
    [
        (["SuccessAction=poweroff", "ExecStart=true"], "is left to end"),
        (["SuccessAction=poweroff", "ExecStart=sleep 99"], "systemctl stop mine"),
        (["FailureAction=poweroff", "ExecStart=false"], "is left to end"),
        (["FailureAction=poweroff", "ExecStart=sleep 99"], "systemctl kill --signal=KILL mine"),
    ],
)
def test_the_end_of_a_unit_switches_the_machine_off(
    bench: Bench, lines: list[str], ends: str
) -> None:
    end = ends if ends.startswith("systemctl") else ":"
    bench.boot(f"{UNITS}{unit('mine', *lines)}systemctl start mine\n{end}\nsleep 99")
    bench.until_off()


@pytest.mark.parametrize("feeds", [True, False])
def test_a_unit_that_stops_to_feed_its_watchdog_is_ended(bench: Bench, *, feeds: bool) -> None:
    loop = "while True: s.send(b'WATCHDOG=1'); time.sleep(0.1)" if feeds else "time.sleep(99)"
    program = f"{NOTIFY}s.send(b'WATCHDOG=1')\n{loop}"
    bench.boot(
        f"{UNITS}cat >program.py <<'END'\n{program}\nEND\n"
        + unit(
            "mine", "FailureAction=poweroff", "WatchdogSec=1", "ExecStart=python3 $PWD/program.py"
        )
        + 'sed -i "s,\\$PWD,$PWD," "$units/mine.service"\n'
        "systemctl start mine; sleep 3; echo still on; poweroff"
    )
    bench.until_off()
    console = bench.run_out()
    assert ("still on" in console) == feeds
    assert ("Watchdog timeout" in console) != feeds


def test_a_notifying_unit_has_started_when_it_says_so(bench: Bench) -> None:
    program = (
        f"{NOTIFY}time.sleep(0.3); print('ready', flush=True); s.send(b'READY=1'); time.sleep(99)"
    )
    console = bench.run(
        f'{UNITS}cat >program.py <<"END"\n{program}\nEND\n'
        + unit("mine", "Type=notify", "ExecStart=python3 $PWD/program.py")
        + 'sed -i "s,\\$PWD,$PWD," "$units/mine.service"\n'
        "systemctl start mine; echo started"
    )
    assert "ready\nstarted\n" in console


def test_a_failed_unit_restarts_unless_it_was_stopped(bench: Bench) -> None:
    console = bench.run(
        UNITS
        + unit("mine", "Restart=on-failure", "ExecStart=bash -c 'echo run; sleep 99'")
        + "systemctl start mine; sleep 0.5; systemctl kill --signal=KILL mine; sleep 1\n"
        "systemctl stop mine; sleep 0.5; systemctl is-active mine"
    )
    assert console.count("run\n") == 2
    assert console.endswith("inactive\nreboot: Power down\n")


@pytest.mark.parametrize(
    ("mode", "left"), [("control-group", "no"), ("mixed", "no"), ("process", "yes")]
)
def test_what_a_stop_leaves_of_a_unit_is_told_by_its_kill_mode(
    bench: Bench, mode: str, left: str
) -> None:
    program = "bash -c 'sleep 99 & echo $! >$PWD/child; echo $$ >$PWD/first; exec sleep 99'"
    console = bench.run(
        UNITS
        + unit("mine", f"KillMode={mode}", f"ExecStart={program}")
        + 'sed -i "s,\\$PWD,$PWD,g" "$units/mine.service"\n'
        "systemctl start mine; until [ -s first ]; do sleep 0.1; done; systemctl stop mine\n"
        "lives() { grep -qs '^State:[[:space:]]*[SRD]' /proc/$1/status && echo yes || echo no; }\n"
        "echo first=$(lives $(cat first)) child=$(lives $(cat child))"
    )
    assert f"first=no child={left}\n" in console
