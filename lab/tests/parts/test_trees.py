"""The trees of whole machines: made once for each recipe, never by halves, absent with a reason."""

from __future__ import annotations

import fcntl
import stat
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from mayfly.errors import Transient
from mayfly_lab.machines.whole.cache import Cache, cache_directory
from mayfly_lab.machines.whole.kinds import Kind
from mayfly_lab.machines.whole.needs import obstacle
from mayfly_lab.machines.whole.recipes import SUITES, tree_recipe
from mayfly_lab.machines.whole.trees import Absent, BuildFailed, Trees


@dataclass
class FakeCommands:
    """A system with everything; `build` is what its tree.sh and disk.sh do to their target."""

    root: bool = True
    lacks: frozenset[str] = frozenset()
    may: bool = True
    url: str = "http://mirror.example/debian"
    status: int | None = 0
    says: str = ""
    build: Callable[[Path], None] = lambda target: (target / "usr").mkdir()
    ran: list[tuple[str, ...]] = field(default_factory=list)

    def is_root(self) -> bool:
        return self.root

    def lacking(self, programs: Sequence[str]) -> list[str]:
        return [each for each in programs if each in self.lacks]

    def may_build(self) -> bool:
        return self.may

    def mirror(self) -> str:
        return self.url

    def run(self, argv: Sequence[str], log: Path, lock: int, seconds: float) -> int | None:
        assert lock > 2
        assert _held(log.with_name(f"{log.stem.partition('-')[0]}.lock"))
        self.ran.append(tuple(argv))
        log.write_text(self.says)
        # The target stands behind the mirror of a tree, and behind the overlay of a disk.
        self.build(Path(argv[6]))
        return self.status


def _held(lock: Path) -> bool:
    with lock.open("rb") as other:
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _trees(directory: Path, commands: FakeCommands, patience: float = 20.0) -> Trees:
    return Trees(Cache(directory, patience), commands)


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    (tmp_path / "overlay").mkdir()
    return tmp_path / "overlay"


# ---------------------------------------------------------------- absence

ABSENT = {
    "another user": (FakeCommands(root=False), "root"),
    "no debootstrap": (FakeCommands(lacks=frozenset({"debootstrap"})), "debootstrap"),
    "no apt": (FakeCommands(lacks=frozenset({"apt-get"})), "apt"),
    "no unshare": (FakeCommands(lacks=frozenset({"unshare"})), "util-linux"),
    "a root without rights": (FakeCommands(may=False), "namespaces"),
    "no mirror of Debian": (FakeCommands(url=""), "mirror"),
}


@pytest.mark.parametrize("case", ABSENT)
def test_a_system_that_cannot_make_a_tree_says_why_and_touches_nothing(
    tmp_path: Path, case: str
) -> None:
    commands, word = ABSENT[case]
    trees = _trees(tmp_path / "cache", commands)
    with pytest.raises(Absent, match=word) as caught:
        trees.ready("bookworm")
    assert trees.obstacle("bookworm") == str(caught.value)
    assert not (tmp_path / "cache").exists()


def test_a_suite_without_a_recipe_is_absent(tmp_path: Path) -> None:
    with pytest.raises(Absent, match="buster"):
        _trees(tmp_path, FakeCommands()).ready("buster")


@pytest.mark.parametrize("case", ["no debootstrap", "no apt", "no mirror of Debian"])
def test_a_tree_that_was_made_needs_nothing_of_its_build(tmp_path: Path, case: str) -> None:
    made = _trees(tmp_path, FakeCommands()).ready("bookworm")
    commands, _ = ABSENT[case]
    assert _trees(tmp_path, replace(commands, ran=[])).ready("bookworm") == made


def test_a_system_without_mkfs_has_trees_and_no_disks(tmp_path: Path, overlay: Path) -> None:
    trees = _trees(tmp_path / "cache", FakeCommands(lacks=frozenset({"mkfs.ext4"})))
    assert trees.ready("trixie").is_dir()
    with pytest.raises(Absent, match="e2fsprogs"):
        trees.disk("trixie", overlay)


@pytest.mark.parametrize(
    ("kind", "lacks", "package"),
    [
        (Kind.CONTAINER, "systemd-nspawn", "systemd-container"),
        (Kind.CONTAINER, "ip", "iproute2"),
        (Kind.VM, "qemu-system-x86_64", "qemu-system-x86"),
        (Kind.VM, "dnsmasq", "dnsmasq-base"),
        (Kind.VM, "debootstrap", "debootstrap"),
    ],
)
def test_what_stands_against_whole_machines_names_the_package(
    tmp_path: Path, kind: Kind, lacks: str, package: str
) -> None:
    trees = _trees(tmp_path, FakeCommands(lacks=frozenset({lacks})))
    assert f"{lacks} (package {package})" in obstacle(kind, trees)
    assert obstacle(kind, _trees(tmp_path, FakeCommands())) == ""


# ---------------------------------------------------------------- builds


def test_a_tree_keeps_its_name_on_another_mirror(tmp_path: Path) -> None:
    trees = [
        _trees(tmp_path, FakeCommands(url=f"http://{each}.example")).ready("trixie")
        for each in ("one", "other")
    ]
    assert trees[0] == trees[1]


def test_a_tree_is_made_once_from_the_mirror_with_its_packages(tmp_path: Path) -> None:
    commands = FakeCommands()
    trees = _trees(tmp_path, commands)
    first, second = trees.ready("bookworm"), trees.ready("bookworm")
    assert first == second == tmp_path / tree_recipe("bookworm").name
    assert (first / "usr").is_dir()
    (ran,) = commands.ran
    assert ran[4:6] == ("bookworm", commands.url)
    assert {"cloud-init", "podman"} <= set(ran[7:])


def test_no_other_user_of_the_system_reaches_the_programs_of_a_tree(tmp_path: Path) -> None:
    _trees(tmp_path / "cache", FakeCommands()).ready("bookworm")
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


def test_each_suite_has_a_tree_of_its_own(tmp_path: Path) -> None:
    trees = _trees(tmp_path, FakeCommands())
    assert len({trees.ready(suite) for suite in SUITES}) == len(SUITES)


def test_a_disk_is_made_of_the_tree_and_the_overlay(tmp_path: Path, overlay: Path) -> None:
    commands = FakeCommands()
    trees = _trees(tmp_path / "cache", commands)
    disk = trees.disk("trixie", overlay)
    assert trees.disk("trixie", overlay) == disk
    assert commands.ran[1][4:6] == (str(trees.ready("trixie")), str(overlay))
    assert len(commands.ran) == 2
    assert disk.image.parent == disk.kernel.parent == disk.initrd.parent


def test_a_build_that_fails_shows_the_end_of_its_log_and_leaves_no_tree(tmp_path: Path) -> None:
    said = "\n".join(f"line {each}" for each in range(100))
    trees = _trees(tmp_path, FakeCommands(status=100, says=said))
    with pytest.raises(BuildFailed, match="exit status 100") as caught:
        trees.ready("bookworm")
    shown = str(caught.value).splitlines()
    assert str(tmp_path / "bookworm.log") in shown[0]
    assert shown[1:] == said.splitlines()[-len(shown[1:]) :]
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_a_build_out_of_time_says_so(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="out of time"):
        _trees(tmp_path, FakeCommands(status=None)).ready("bookworm")


def test_half_a_tree_of_a_killed_build_does_not_count_and_goes_with_the_next_build(
    tmp_path: Path,
) -> None:
    class Killed(BaseException):
        """Nothing catches it, as nothing catches SIGKILL."""

    def half(target: Path) -> None:
        (target / "usr").mkdir()
        # What a dead process cannot do: remove its directory.
        target.rename(tmp_path / "bookworm-half.partial")
        raise Killed

    with pytest.raises(Killed):
        _trees(tmp_path, FakeCommands(build=half)).ready("bookworm")
    tree = _trees(tmp_path, FakeCommands()).ready("bookworm")
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == [tree]


def test_two_builds_of_a_suite_do_not_collide(tmp_path: Path) -> None:
    building, finish = threading.Event(), threading.Event()

    def slow(target: Path) -> None:
        (target / "usr").mkdir()
        building.set()
        assert finish.wait(20)

    first, second = FakeCommands(build=slow), FakeCommands()
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(_trees(tmp_path, first).ready("bookworm"))),
        threading.Thread(target=lambda: found.append(_trees(tmp_path, second).ready("bookworm"))),
    ]
    threads[0].start()
    assert building.wait(20)
    threads[1].start()
    # The other suite does not wait.
    assert _trees(tmp_path, FakeCommands(), patience=0).ready("trixie")
    finish.set()
    for each in threads:
        each.join(20)
    assert found[0] == found[1]
    assert (len(first.ran), len(second.ran)) == (1, 0)


def test_a_wait_for_another_build_is_told_and_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "bookworm.lock").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Transient, match="another process"):
            _trees(tmp_path, FakeCommands(), patience=0).ready("bookworm")
    assert "waits" in capsys.readouterr().err


def test_old_trees_and_disks_are_removed_and_the_tree_of_today_stays(
    tmp_path: Path, overlay: Path
) -> None:
    trees = _trees(tmp_path / "cache", FakeCommands())
    tree, other = trees.ready("bookworm"), trees.ready("trixie")
    disk = trees.disk("bookworm", overlay).image.parent
    old = tmp_path / "cache/bookworm-0123456789ab"
    old.mkdir()
    assert set(trees.remove("bookworm", keep_current=True)) == {old, disk}
    assert trees.remove("bookworm", keep_current=False) == [tree]
    assert other.is_dir()


# ---------------------------------------------------------------- the cache's place


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"MAYFLY_TREES": "/trees", "XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/trees"),
        ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/mayfly/trees"),
        ({"XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache/mayfly/trees"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "/h/.cache/mayfly/trees"),
        ({"MAYFLY_TREES": "", "HOME": ""}, "/var/cache/mayfly/trees"),
        ({}, "/var/cache/mayfly/trees"),
    ],
)
def test_the_cache_lies_where_the_environment_says(
    environment: dict[str, str], expected: str
) -> None:
    assert cache_directory(environment) == Path(expected)
