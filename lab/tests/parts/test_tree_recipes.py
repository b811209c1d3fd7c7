"""The names of trees and disks change with each part of their recipes, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mayfly_lab.machines.whole.recipes import DiskRecipe, TreeRecipe


@pytest.fixture
def recipe() -> TreeRecipe:
    return TreeRecipe("bookworm", "debootstrap\n", ("git", "curl"))


CHANGED_TREES: dict[str, Callable[[TreeRecipe], TreeRecipe]] = {
    "the suite": lambda old: replace(old, suite="trixie"),
    "a package more": lambda old: replace(old, packages=(*old.packages, "podman")),
    "a package less": lambda old: replace(old, packages=("git",)),
    "two packages in one word": lambda old: replace(old, packages=("gitcurl",)),
    "the script": lambda old: replace(old, script="debootstrap\ntrue\n"),
}


@pytest.mark.parametrize("part", CHANGED_TREES)
def test_a_tree_has_another_name_once_a_part_of_its_recipe_is_another(
    recipe: TreeRecipe, part: str
) -> None:
    assert CHANGED_TREES[part](recipe).name != recipe.name


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    found = tmp_path / "overlay"
    (found / "etc").mkdir(parents=True)
    (found / "etc/unit").write_text("[Unit]\n")
    (found / "etc/link").symlink_to("unit")
    return found


CHANGED_OVERLAYS: dict[str, Callable[[Path], object]] = {
    "content of a file": lambda top: (top / "etc/unit").write_text("[Service]\n"),
    "mode of a file": lambda top: (top / "etc/unit").chmod(0o755),
    "name of a file": lambda top: (top / "etc/unit").rename(top / "etc/other"),
    "target of a link": lambda top: _point(top / "etc/link", "other"),
    "a directory": lambda top: (top / "var").mkdir(),
}


def _point(link: Path, target: str) -> None:
    link.unlink()
    link.symlink_to(target)


@pytest.mark.parametrize("part", CHANGED_OVERLAYS)
def test_a_disk_has_another_name_once_its_overlay_is_another(
    recipe: TreeRecipe, overlay: Path, part: str
) -> None:
    disk = DiskRecipe(recipe, recipe.script, overlay)
    before = disk.name
    CHANGED_OVERLAYS[part](overlay)
    assert disk.name != before


def test_a_disk_has_another_name_once_its_tree_or_its_script_is_another(
    recipe: TreeRecipe, overlay: Path
) -> None:
    disk = DiskRecipe(recipe, recipe.script, overlay)
    others = {
        replace(disk, tree=replace(recipe, packages=())).name,
        replace(disk, script="mkfs.ext4\n").name,
    }
    assert disk.name not in others
    assert len(others) == 2
