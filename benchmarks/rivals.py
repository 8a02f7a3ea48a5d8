"""The same files by other means: what others would start from, out of one host's finished bundle.

Every file becomes a template with `{{ host }}` where the host's name stands. A rival only renders
and writes: it checks nothing, and makes no checksums.

Run as a program it is one of two bare loops: `rivals.py jinja TEMPLATES HOSTS OUT` renders and
writes, `rivals.py bytes BUNDLE HOSTS OUT` only writes that bundle for each host.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def templates_of(bundle: Path, folder: Path) -> None:
    """Make templates of a bundle's files."""
    for path in _paths(bundle):
        file, place = bundle / path, folder / path
        text = file.read_text().replace("{%", "{{ '{%' }}").replace("{#", "{{ '{#' }}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text.replace(bundle.name, "{{ host }}"))
        place.chmod(file.stat().st_mode)


def names(hosts: int) -> list[str]:
    """Return the names of the computes of `sites.py`."""
    return [f"compute{number:05}" for number in range(1, hosts + 1)]


def kapitan_project(folder: Path, templates: Path, hosts: int) -> None:
    """Lay out what Kapitan starts from: a class, a target for each host, the templates."""
    (folder / "inventory/classes").mkdir(parents=True)
    (folder / "inventory/targets").mkdir()
    (folder / "templates").symlink_to(templates)
    (folder / "inventory/classes/compute.yml").write_text(
        "parameters:\n  kapitan:\n    vars:\n      target: ${host}\n      host: ${host}\n"
        "    compile:\n"
        "      - {output_path: ., input_type: jinja2, input_paths: [templates]}\n"
    )
    for host in names(hosts):
        (folder / f"inventory/targets/{host}.yml").write_text(
            f"classes: [compute]\nparameters: {{host: {host}}}\n"
        )


def ansible_project(folder: Path, templates: Path, hosts: int) -> None:
    """Lay out what Ansible starts from: an inventory and a playbook with a task for each file."""
    folder.mkdir()
    lines = [f"{host} ansible_connection=local host={host}" for host in names(hosts)]
    lines += ["[all:vars]", "ansible_python_interpreter={{ ansible_playbook_python }}"]
    (folder / "hosts").write_text("\n".join(lines) + "\n")
    out = "{{ playbook_dir }}/out/{{ host }}"
    paths = _paths(templates)
    tasks = [
        f"    - file: {{path: '{out}/{each}', state: directory, mode: '0755'}}"
        for each in _folders_of(paths)
    ]
    tasks += [
        f"    - template: {{src: '{templates / path}', dest: '{out}/{path}', mode: preserve}}"
        for path in paths
    ]
    head = "- hosts: all\n  gather_facts: false\n  tasks:\n"
    (folder / "site.yml").write_text(head + "\n".join(tasks) + "\n")


def jinja(templates: Path, hosts: int, out: Path) -> None:
    """Render and write with Jinja2, and nothing else."""
    from jinja2 import Environment, FileSystemLoader  # noqa: PLC0415  # the others need none

    environment = Environment(  # noqa: S701  # shell and INI
        loader=FileSystemLoader(templates), keep_trailing_newline=True
    )
    loaded = {path: environment.get_template(path) for path in _paths(templates)}
    modes = {path: (templates / path).stat().st_mode for path in loaded}
    folders = _folders_of(loaded)
    for host in names(hosts):
        _make_folders(f"{out}/{host}", folders)
        for path, template in loaded.items():
            place = f"{out}/{host}/{path}"
            with open(place, "w", encoding="utf-8") as file:  # noqa: PTH123  # as fast as it gets
                file.write(template.render(host=host))
            if modes[path] & 0o100:
                os.chmod(place, modes[path])  # noqa: PTH101  # likewise


def ready_bytes(bundle: Path, hosts: int, out: Path) -> None:
    """Write bytes that are there already, the same for each host: the least that Python can do."""
    read = {path: (bundle / path).read_bytes() for path in _paths(bundle)}
    modes = {path: (bundle / path).stat().st_mode & 0o777 for path in read}
    folders = _folders_of(read)
    for host in names(hosts):
        _make_folders(f"{out}/{host}", folders)
        for path, data in read.items():
            place = f"{out}/{host}/{path}"
            descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, modes[path])
            os.write(descriptor, data)
            os.close(descriptor)


def _paths(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _folders_of(paths: Iterable[str]) -> list[str]:
    return sorted({os.path.dirname(path) for path in paths})  # noqa: PTH120  # '' for none


def _make_folders(folder: str, inner: Iterable[str]) -> None:
    for each in inner:
        os.makedirs(f"{folder}/{each}", exist_ok=True)  # noqa: PTH103  # as fast as it gets


LOOPS = {"jinja": jinja, "bytes": ready_bytes}

if __name__ == "__main__":
    LOOPS[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
