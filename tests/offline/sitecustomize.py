"""On PYTHONPATH while the tests run: every Python process, kernels too, refuses to reach out. Chapters work offline."""

import socket

_connect = socket.socket.connect


def _connect_at_home(self, address):
    host = address[0] if isinstance(address, tuple) else ""
    if self.family != socket.AF_UNIX and not (host.startswith("127.") or host in ("localhost", "::1")):
        raise OSError(f"the tests run without a network, but something connects to {host}")
    return _connect(self, address)


socket.socket.connect = _connect_at_home
