"""The same site gives the same bytes and modes, whoever compiles it, when and where."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from compiling import PROGRAM, SITE, compiled, contents, open_folder, other_user

PLAIN = {"PATH": os.environ["PATH"], "HOME": "/", "LC_ALL": "C.UTF-8", "TZ": "UTC"}

SURROUNDINGS: dict[str, dict[str, str]] = {
    "another hash seed": {"PYTHONHASHSEED": "1"},
    "yet another hash seed": {"PYTHONHASHSEED": "4242"},
    "far in the east": {"TZ": "Pacific/Kiritimati"},
    "the C locale": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "a locale with its own letters": {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
    "a home that is not there": {"HOME": "/nonexistent"},
    "optimised": {"PYTHONOPTIMIZE": "2"},
}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[bytes, int]]:
    return contents(compiled(tmp_path_factory.mktemp("expected")))


def compile_in(
    folder: Path, settings: dict[str, str], *, prefix: list[str], umask: int = 0o022
) -> dict[str, tuple[bytes, int]]:
    """Compile in a process of its own; return what came out."""
    (folder / "site.yaml").write_text(SITE)
    (folder / "site.yaml").chmod(0o644)
    environment = PLAIN | {"XDG_CACHE_HOME": os.environ["XDG_CACHE_HOME"]} | settings
    done = subprocess.run(
        [*prefix, str(PROGRAM), "site.yaml", "-o", "out"],
        cwd=folder,
        env=environment,
        umask=umask,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return contents(folder / "out")


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_surroundings_do_not_matter(
    tmp_path: Path, expected: dict[str, tuple[bytes, int]], name: str
) -> None:
    assert compile_in(tmp_path, SURROUNDINGS[name], prefix=[]) == expected


@pytest.mark.parametrize("umask", [0, 0o027, 0o077])
def test_the_umask_does_not_matter(
    tmp_path: Path, expected: dict[str, tuple[bytes, int]], umask: int
) -> None:
    assert compile_in(tmp_path, {}, prefix=[], umask=umask) == expected


def test_the_folder_does_not_matter(tmp_path: Path, expected: dict[str, tuple[bytes, int]]) -> None:
    elsewhere = tmp_path / "another place" / "with ünusual names"
    elsewhere.mkdir(parents=True)
    (elsewhere / "lan.yaml").write_text(SITE)
    subprocess.run(
        [PROGRAM, elsewhere / "lan.yaml", "-o", elsewhere / "built"],
        cwd="/",
        capture_output=True,
        check=True,
    )
    assert contents(elsewhere / "built") == expected


def test_the_user_does_not_matter(expected: dict[str, tuple[bytes, int]]) -> None:
    prefix = other_user()
    with open_folder() as folder:
        os.chown(folder, 65534, 65534)
        # a copy, since the cache of the one who runs the tests may be closed to this user
        cache = folder / "cache"
        shutil.copytree(os.environ["XDG_CACHE_HOME"], cache)
        cache.chmod(0o755)
        settings = {"HOME": str(Path.home()), "XDG_CACHE_HOME": str(cache)}
        assert compile_in(folder, settings, prefix=prefix) == expected


def test_a_user_without_name_and_home_can_compile(
    expected: dict[str, tuple[bytes, int]],
) -> None:
    prefix = [*other_user(4242), "--unset=HOME", "--unset=XDG_CACHE_HOME"]
    with open_folder() as folder:
        os.chown(folder, 4242, 4242)
        assert compile_in(folder, {}, prefix=prefix) == expected


def test_the_order_of_the_runs_does_not_matter(
    tmp_path: Path, expected: dict[str, tuple[bytes, int]]
) -> None:
    compiled(tmp_path, SITE.replace("lon1", "lon2").replace("[01-02]", "[01-03]"))
    assert contents(compiled(tmp_path)) == expected
