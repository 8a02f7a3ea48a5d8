"""The same files by other means: what others would start from, out of one host's finished bundle.

Every file becomes a template with `{{ host }}` where the host's name stands. A rival only renders
and writes: it checks nothing, and makes no checksums.

Run as a program it is the bare loop: `rivals.py TEMPLATES HOSTS OUT`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader

if TYPE_CHECKING:
    from collections.abc import Iterable


def templates_of(bundle: Path, folder: Path) -> list[str]:
    """Make templates of a bundle's files; return their paths."""
    paths = []
    for file in sorted(path for path in bundle.rglob("*") if path.is_file()):
        path = str(file.relative_to(bundle))
        text = file.read_text().replace("{%", "{{ '{%' }}").replace("{#", "{{ '{#' }}")
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text.replace(bundle.name, "{{ host }}"))
        place.chmod(file.stat().st_mode)
        paths.append(path)
    return paths


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


def ansible_project(folder: Path, templates: Path, paths: Iterable[str], hosts: int) -> None:
    """Lay out what Ansible starts from: an inventory and a playbook with a task for each file."""
    folder.mkdir()
    lines = [f"{host} ansible_connection=local host={host}" for host in names(hosts)]
    lines += ["[all:vars]", "ansible_python_interpreter={{ ansible_playbook_python }}"]
    (folder / "hosts").write_text("\n".join(lines) + "\n")
    out = "{{ playbook_dir }}/out/{{ host }}"
    inner = sorted({os.path.dirname(path) for path in paths})  # noqa: PTH120  # '' for none
    tasks = [
        f"    - file: {{path: '{out}/{each}', state: directory, mode: '0755'}}" for each in inner
    ]
    tasks += [
        f"    - template: {{src: '{templates / path}', dest: '{out}/{path}', mode: preserve}}"
        for path in paths
    ]
    head = "- hosts: all\n  gather_facts: false\n  tasks:\n"
    (folder / "site.yml").write_text(head + "\n".join(tasks) + "\n")


def loop(templates: Path, hosts: int, out: Path) -> None:
    """Render and write with Jinja2, and nothing else."""
    environment = Environment(  # noqa: S701  # shell and INI
        loader=FileSystemLoader(templates), keep_trailing_newline=True
    )
    paths = [str(path.relative_to(templates)) for path in templates.rglob("*") if path.is_file()]
    loaded = [(path, environment.get_template(path)) for path in paths]
    folders = sorted({os.path.dirname(path) for path in paths})  # noqa: PTH120  # '' for none
    modes = {path: (templates / path).stat().st_mode for path in paths}
    for host in names(hosts):
        for folder in folders:
            os.makedirs(f"{out}/{host}/{folder}", exist_ok=True)  # noqa: PTH103  # as fast as it gets
        for path, template in loaded:
            place = f"{out}/{host}/{path}"
            with open(place, "w", encoding="utf-8") as file:  # noqa: PTH123  # likewise
                file.write(template.render(host=host))
            if modes[path] & 0o100:
                os.chmod(place, modes[path])  # noqa: PTH101  # likewise


if __name__ == "__main__":
    loop(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
