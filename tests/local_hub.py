"""The Hugging Face hub's HTTP on this machine, as far as huggingface_hub asks for it, and what can go wrong with it."""

import contextlib
import hashlib
import json
import re
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

LARGE_FILES = (".safetensors", ".parquet", ".bin", ".msgpack")  # kept in large-file storage, to which the hub sends on
# The hub does not tell strangers which of the two it is.
PRIVATE_OR_NOT_THERE = {
    "status": 401,
    "X-Error-Code": "RepoNotFound",
    "X-Error-Message": "Invalid username or password.",
}
IN_THE_BODY = ("reset", "truncated", "damaged")


@dataclass
class Fault:
    """What the hub does instead of answering, for paths that end with `path`, `times` times at most.

    Attributes:
        kind: "reset", "truncated" or "damaged", in the body; "silent", before a word is said; or a status, such as "429".
        path: The end of the paths concerned.
        times: How often.
        headers: Sent with a status.
    """

    kind: str
    path: str = ""
    times: int = 1_000
    headers: dict[str, str] = field(default_factory=dict)


class LocalHub:
    """Serves repositories to huggingface_hub, on a port of this machine that stays the same when it goes away and comes back."""

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], dict[str, bytes]] = {}
        self.gated: set[str] = set()
        self.faults: list[Fault] = []
        self.asked: list[tuple[str, str]] = []
        self.released = threading.Event()  # ends what is silent
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        self.released.clear()
        self._server = _Server(("127.0.0.1", self._port), _Handler)
        self._server.hub = self
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Refuse connections from now on, and cut those that are open."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add(self, repo_id: str, folder: Path, *, repo_type: str = "model", **more: bytes) -> None:
        files = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        self.repos[repo_type, repo_id] = {**files, **more}

    def fail(self, kind: str, path: str = "", **how: object) -> None:
        self.faults.append(Fault(kind, path, **how))

    def count_asked(self, path: str) -> int:
        return sum(asked.endswith(path) for _, asked in self.asked)

    def take_fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            applies = path.endswith(fault.path) and not (method == "HEAD" and fault.kind in IN_THE_BODY)
            if applies and fault.times > 0:
                fault.times -= 1
                return fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    hub: LocalHub

    def __init__(self, *given: object) -> None:
        self.open_sockets: set[socket.socket] = set()
        super().__init__(*given)

    def process_request(self, request: socket.socket, address: object) -> None:
        self.open_sockets.add(request)
        super().process_request(request, address)

    def shutdown_request(self, request: socket.socket) -> None:
        self.open_sockets.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        for opened in list(self.open_sockets):
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, address: object) -> None:
        """A client that hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *given: object) -> None:
        """Nothing is printed."""

    def do_GET(self) -> None:
        hub = self.server.hub
        path = unquote(urlsplit(self.path).path)
        hub.asked.append((self.command, path))
        self.fault = hub.take_fault(self.command, path)
        if self.fault and self.fault.kind == "silent":
            hub.released.wait(60)
            self.close_connection = True
        elif self.fault and self.fault.kind.isdigit():
            self._send(int(self.fault.kind), b"", **self.fault.headers)
        else:
            matches = ((re.fullmatch(pattern, path), answer) for pattern, answer in _ROUTES)
            found, answer = next((pair for pair in matches if pair[0]), (None, _Handler._refuse))
            answer(self, **(found.groupdict() if found else {}))

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

    def _home(self) -> None:
        self._send(200, b"The hub")

    def _refuse(self, status: int = 404, **headers: str) -> None:
        self._send(status, b"", **headers)

    def _info(self, kind: str, repo_id: str, rest: str | None) -> None:
        files = self._find(kind, repo_id)
        if files is None:
            self._refuse(**PRIVATE_OR_NOT_THERE)
        elif rest and rest.startswith("/tree/"):
            self._send_json([_describe(path, data) for path, data in files.items()])
        else:
            siblings = [{"rfilename": path} for path in files]
            self._send_json({"id": repo_id, "sha": _hash_repo(files), "private": False, "siblings": siblings})

    def _resolve(self, kind: str | None, repo_id: str, path: str) -> None:
        files = self._find(kind or "models", repo_id)
        if files is None:
            self._refuse(**PRIVATE_OR_NOT_THERE)
        elif repo_id in self.server.hub.gated:
            self._refuse(401, **{"X-Error-Code": "GatedRepo"})
        elif path not in files:
            self._refuse(404, **{"X-Error-Code": "EntryNotFound"})
        elif path.endswith(LARGE_FILES):
            sha = hashlib.sha256(files[path]).hexdigest()
            linked = {"X-Linked-Size": str(len(files[path])), "X-Linked-ETag": f'"{sha}"'}
            # Another origin, as the hub's storage is: a client must not send its token there.
            location = f"{self.server.hub.url.replace('127.0.0.1', 'localhost')}/storage/{sha}/{path}"
            self._send(302, b"", Location=location, **linked, **{"X-Repo-Commit": _hash_repo(files)})
        else:
            self._send_file(files[path], ETag=f'"{_hash_blob(files[path])}"', **{"X-Repo-Commit": _hash_repo(files)})

    def _storage(self, sha: str) -> None:
        every = [data for files in self.server.hub.repos.values() for data in files.values()]
        self._send_file(next(data for data in every if hashlib.sha256(data).hexdigest() == sha), ETag=f'"{sha}"')

    def _find(self, kind: str, repo_id: str) -> dict[str, bytes] | None:
        return self.server.hub.repos.get((kind.removesuffix("s"), repo_id))

    def _send_json(self, content: object) -> None:
        self._send(200, json.dumps(content).encode(), **{"Content-Type": "application/json"})

    def _send_file(self, data: bytes, **headers: str) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._send(206 if wanted else 200, data[start:], **headers)

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        kind = self.fault.kind if self.fault else ""
        if kind == "damaged":
            body = body[:-1] + bytes([body[-1] ^ 1])
        self.wfile.write(body[: len(body) // 2] if kind in ("reset", "truncated") else body)
        if kind == "reset":
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()  # with such a lingering, a reset and no goodbye
        self.close_connection = self.close_connection or kind in ("reset", "truncated")


_REPO = r"(?P<repo_id>[^/]+(/[^/]+)?)"
_ROUTES = [
    (r"/", _Handler._home),
    (rf"/api/(?P<kind>models|datasets)/{_REPO}(?P<rest>/(revision|tree)/.+)?", _Handler._info),
    (rf"/((?P<kind>datasets)/)?{_REPO}/resolve/[^/]+/(?P<path>.+)", _Handler._resolve),
    (r"/storage/(?P<sha>[0-9a-f]{64})/.+", _Handler._storage),
]


def _describe(path: str, data: bytes) -> dict[str, object]:
    found: dict[str, object] = {"type": "file", "path": path, "size": len(data), "oid": _hash_blob(data)}
    if path.endswith(LARGE_FILES):
        found["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
    return found


def _hash_blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _hash_repo(files: dict[str, bytes]) -> str:
    return hashlib.sha1(repr(sorted((path, _hash_blob(data)) for path, data in files.items())).encode()).hexdigest()
