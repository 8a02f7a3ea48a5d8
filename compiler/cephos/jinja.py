"""How the package's templates are read and compiled."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemBytecodeCache, PackageLoader, StrictUndefined

from cephos import cache

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2.bccache import Bucket

_TEMPLATES = "cephos.templates"


def environment(*, keep: bool = True, **settings: Any) -> Environment:
    """Return an environment for the templates; `settings` are Jinja2's.

    With `keep`, the next run need not compile them again. What filters return must then depend on
    nothing but their arguments, since Jinja2 applies them to constants when it compiles.
    """
    return Environment(  # noqa: S701  # who writes HTML sets autoescape, for others it would corrupt
        loader=PackageLoader(_TEMPLATES, ""),
        bytecode_cache=_Kept(settings) if keep else None,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **settings,
    )


class _Kept(FileSystemBytecodeCache):
    """Compiled templates, kept where Python keeps its modules: in `__pycache__` beside them.

    Whoever may write there may write the compiler itself, and no other user's cache is believed.
    What a template compiles to depends on the settings, too: in shell, values are quoted.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = {
            name: getattr(value, "__qualname__", value) for name, value in settings.items()
        }
        spec = import_module(_TEMPLATES).__spec__
        cached = Path((spec and spec.cached) or os.devnull)
        super().__init__(str(cached.parent), f"%s.{sys.implementation.cache_tag}.j2c")

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        """Return what tells a template under these settings from any other."""
        return super().get_cache_key(f"{name} {sorted(self._settings.items())}", filename)

    def get_source_checksum(self, source: str) -> str:
        """Return what changes with the template and the code of its filters."""
        return f"{super().get_source_checksum(source)} {cache.compiler()}"

    def load_bytecode(self, bucket: Bucket) -> None:
        """Load what was kept, if it can be read."""
        with suppress(OSError):
            super().load_bytecode(bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled, if Python would."""
        if not sys.dont_write_bytecode:
            with suppress(OSError):
                super().dump_bytecode(bucket)
