"""HAProxy in front of several servers of ours, with the very file that docs/operating.md recommends."""

import os
import pathlib
import socket
import shutil

import servers

CONFIGURATION = pathlib.Path(__file__).resolve().parents[2] / "docs/haproxy.cfg"


class Haproxy(servers.Process):
    def __init__(self, folder, ports):
        super().__init__("haproxy", folder)
        # Debian's is in a folder that people who are not root have no path to.
        self.program = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
        if not self.program:
            raise servers.NotStarted("haproxy is not installed")
        self.ports, self.port = ports, servers.free_port()

    def command(self):
        return [*servers.ends_with_us(), self.program, "-db", "-f", str(CONFIGURATION)]

    def environment(self):
        addresses = [f"127.0.0.1:{port}" for port in (self.port, *self.ports)]
        return {**super().environment(), **dict(zip(("ZHIBU_FRONT", "ZHIBU_FIRST", "ZHIBU_SECOND"), addresses))}

    def is_ready(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
            return True
        except OSError:
            return False
