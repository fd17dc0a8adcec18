"""HAProxy in front of several servers of ours, with the very file that docs/operating.md recommends."""

import csv
import os
import pathlib
import shutil
import socket

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
        told = dict(zip(("ZHIBU_FRONT", "ZHIBU_FIRST", "ZHIBU_SECOND"), addresses))
        return {**super().environment(), **told, "ZHIBU_BALANCER": str(self.folder / "haproxy.sock")}

    def is_ready(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
            return True
        except OSError:
            return False

    def figures(self):
        """What it counts: requests it sent again, those that went to the other server then, and how often a server was taken for down."""
        with socket.socket(socket.AF_UNIX) as line, line.makefile("r") as answer:
            line.connect(str(self.folder / "haproxy.sock"))
            line.sendall(b"show stat\n")
            rows = {row["svname"]: row for row in csv.DictReader(answer) if row["# pxname"] == "zhibu"}
        total = rows.pop("BACKEND")
        return {"retries": total["wretr"], "redispatches": total["wredis"], "servers down": sum(int(row["chkdown"]) for row in rows.values())}
