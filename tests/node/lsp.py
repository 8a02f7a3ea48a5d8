"""Just enough of a client of the Language Server Protocol (version 3.17) to be an editor."""

from __future__ import annotations

import json
import subprocess
from typing import IO, TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path


class Editor:
    """An editor with one language server, spoken to over its standard input and output."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._server = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder
        )
        self.folder = folder
        self._number = 0
        self._told: dict[str, list[dict[str, Any]]] = {}
        abilities = {
            "textDocument": {
                "hover": {"contentFormat": ["markdown"]},
                "completion": {"completionItem": {"documentationFormat": ["markdown"]}},
                "publishDiagnostics": {},
            }
        }
        self.ask(
            "initialize", processId=None, rootUri=folder.as_uri(), capabilities=abilities,
            workspaceFolders=None,
        )  # fmt: skip
        self._tell("initialized")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._server:  # closes the streams and waits
            self.ask("shutdown")
            self._tell("exit")

    def open(self, name: str, text: str) -> list[dict[str, Any]]:
        """Open a file, saved or not; return what the server finds wrong with it."""
        uri = (self.folder / name).as_uri()
        self._tell(
            "textDocument/didOpen",
            textDocument={"uri": uri, "languageId": "yaml", "version": 1, "text": text},
        )
        while uri not in self._told:
            self._hear()
        return self._told.pop(uri)

    def at(self, method: str, name: str, line: int, character: int) -> Any:
        """Ask what `textDocument/METHOD` has for a place; line and character count from 0."""
        return self.ask(
            f"textDocument/{method}",
            textDocument={"uri": (self.folder / name).as_uri()},
            position={"line": line, "character": character},
        )

    def ask(self, method: str, **parameters: Any) -> Any:
        """Return the server's answer."""
        self._number += 1
        self._send({"id": self._number, "method": method, "params": parameters})
        while True:
            answer = self._hear()
            if answer.get("id") == self._number and "method" not in answer:
                return answer["result"]

    def _tell(self, method: str, **parameters: Any) -> None:
        self._send({"method": method, "params": parameters})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        stream = self._stream(self._server.stdin)
        stream.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        stream.flush()

    def _hear(self) -> dict[str, Any]:
        stream = self._stream(self._server.stdout)
        length = 0
        while header := stream.readline().strip():
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not length:
            raise EOFError("the language server has gone")
        message: dict[str, Any] = json.loads(stream.read(length))
        if message.get("method") == "textDocument/publishDiagnostics":
            self._told[message["params"]["uri"]] = message["params"]["diagnostics"]
        elif "method" in message and "id" in message:
            # it asks for settings, or to register abilities: there are none, and it may
            asked = message["params"].get("items", ()) if message.get("params") else ()
            self._send({"id": message["id"], "result": [None for _ in asked] or None})
        return message

    @staticmethod
    def _stream(stream: IO[bytes] | None) -> IO[bytes]:
        assert stream
        return stream
