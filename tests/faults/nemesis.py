"""The faults, one function each: it does its harm, waits, repairs, and says from when to when it was there."""

import itertools
import os
import pathlib
import shutil
import time

# Interval between two faults; on a slow machine longer, until so many operations were acknowledged that there is something to lose.
SHORTEST_S = 0.5
ACKNOWLEDGED = 10
AT_MOST_S = 20
# How long PostgreSQL may take to come back when there is room again.
OPERATOR_S = 30


class Nemesis:
    def __init__(self, round):
        self.round, self.random, self.log = round, round.random, round.log
        self.panics = 0
        self.fail_points = itertools.cycle(self.random.sample(round.fail_points, len(round.fail_points)))
        self.faults = {
            "kill-server": self.kill_server, "freeze-server": self.freeze_server, "kill-postgres": self.kill_postgres,
            "freeze-postgres": self.freeze_postgres, "kill-redis": self.kill_redis, "freeze-redis": self.freeze_redis,
            "flush-redis": self.flush_redis, "full-redis": self.full_redis, "cut": self.cut, "hang": self.hang, "delay": self.delay,
            "slice": self.slice, "disk-full": self.disk_full, "log-full": self.log_full, "failpoints": self.fail_point,
            "power-loss": self.power_loss,
        }

    def run(self, names, times, longest):
        """`times` faults, as many of each name, with a pause before each."""
        order = (list(names) * times)[:times]
        self.random.shuffle(order)
        for name in order:
            self.wait_for_work(longest)
            self.faults[name]()
        # What was sent before the last of them ended says nothing about what comes after it; the phones must not stop with that.
        self.wait_for_work(SHORTEST_S)

    def wait_for_work(self, longest):
        before, until = self.log.acknowledged, time.monotonic() + AT_MOST_S
        self.pause(SHORTEST_S, longest)
        while self.log.acknowledged < before + ACKNOWLEDGED and time.monotonic() < until:
            time.sleep(0.02)

    def pause(self, shortest, longest):
        time.sleep(self.random.uniform(shortest, longest))

    def note(self, name, begun, **more):
        self.log.write("fault", name=name, begun=begun, ended=time.monotonic(), **more)

    def kill_server(self):
        begun, zhibu = time.monotonic(), self.random.choice(self.round.zhibus)
        zhibu.kill()
        zhibu.start()
        self.note("kill-server", begun)

    def freeze_server(self):
        begun, zhibu = time.monotonic(), self.random.choice(self.round.zhibus)
        zhibu.freeze()
        self.pause(0.5, 2)
        zhibu.thaw()
        self.note("freeze-server", begun)

    def kill_postgres(self):
        begun, postgres = time.monotonic(), self.round.postgres
        postgres.kill()
        self.pause(0.1, 0.8)
        postgres.start()
        self.back("kill-postgres", begun)

    def back(self, name, begun, limit=20, **more):
        """The dependency is there again: how long until all servers say so, without a restart?"""
        returned = time.monotonic()
        for zhibu in self.round.zhibus:
            zhibu.wait_ready(limit)
        self.log.write("fault", name=name, begun=begun, ended=returned, ready_after=time.monotonic() - returned, **more)

    def freeze_postgres(self):
        begun = time.monotonic()
        self.round.postgres.freeze()
        self.pause(2.5, 4)
        self.round.postgres.thaw()
        self.back("freeze-postgres", begun)

    def kill_redis(self):
        begun = time.monotonic()
        self.round.redis.kill()
        self.pause(0.5, 1.5)
        self.round.redis.start()
        self.note("kill-redis", begun)

    def freeze_redis(self):
        begun = time.monotonic()
        self.round.redis.freeze()
        self.pause(1, 3)
        self.round.redis.thaw()
        self.note("freeze-redis", begun)

    def flush_redis(self):
        begun = time.monotonic()
        for _ in range(5):
            self.round.redis.ask("FLUSHALL")
            time.sleep(0.1)
        self.note("flush-redis", begun)

    def full_redis(self):
        begun = time.monotonic()
        self.round.redis.ask("CONFIG", "SET", "maxmemory", "1")
        self.pause(1, 2)
        self.round.redis.ask("CONFIG", "SET", "maxmemory", "0")
        self.note("full-redis", begun)

    def cut(self):
        self.between("cut", 1, 3)

    def hang(self):
        self.between("hang", 2.5, 4)

    def delay(self):
        self.between("delay", 1, 3, delay_s=0.05)

    def slice(self):
        self.between("slice", 1, 3)

    def between(self, mode, shortest, longest, delay_s=0.0):
        begun = time.monotonic()
        self.round.proxy.set(mode, delay_s)
        self.pause(shortest, longest)
        self.round.proxy.set("pass")
        self.back(mode, begun)

    def disk_full(self):
        self.fill("disk-full")

    def log_full(self):
        """PostgreSQL's log has a disk of its own, so work goes on until the log needs a new file: then it panics."""
        self.fill("log-full", self.has_panicked)

    def fill(self, name, is_felt=lambda: True):
        """A file of somebody else's takes all the room that is left."""
        begun, ballast = time.monotonic(), pathlib.Path(self.round.disk) / "ballast"
        with open(ballast, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                pass
        until = time.monotonic() + AT_MOST_S
        while not is_felt() and time.monotonic() < until:
            time.sleep(0.05)
        self.pause(1, 3)
        ballast.unlink()
        if self.round.postgres:
            self.see_to_postgres(name, begun)
        else:
            self.back(name, begun)

    def see_to_postgres(self, name, begun):
        """It comes back by itself when there is room, or has ended: then an operator starts it."""
        postgres, until = self.round.postgres, time.monotonic() + OPERATOR_S
        is_started = False
        while not postgres.answers() and time.monotonic() < until:
            if not postgres.is_running():
                postgres.start()
                is_started = True
            time.sleep(0.05)
        panics = postgres.panics()
        self.back(name, begun, panics=panics - self.panics, is_started=is_started)
        self.panics = panics

    def has_panicked(self):
        return self.round.postgres.panics() > self.panics

    def fail_point(self):
        """The server ends itself at one of the points, by turns; how often it is passed before that is drawn."""
        begun, zhibu = time.monotonic(), self.random.choice(self.round.zhibus)
        name, chance = next(self.fail_points), self.random.choice([5, 20, 50])
        zhibu.settings["FAILPOINTS"] = f"{name}={chance}%return"
        zhibu.kill()
        zhibu.spawn()
        until = time.monotonic() + AT_MOST_S
        while zhibu.is_running() and time.monotonic() < until:
            time.sleep(0.02)
        has_fired = not zhibu.is_running()
        zhibu.settings.pop("FAILPOINTS")
        zhibu.kill()
        zhibu.start()
        self.note("failpoints", begun, point=name, has_fired=has_fired)

    def power_loss(self):
        """Only what was synced is there when the power comes back."""
        begun, zhibu = time.monotonic(), self.round.zhibus[0]
        zhibu.kill()
        shutil.rmtree(zhibu.data)
        shutil.copytree(self.round.durable, zhibu.data)
        zhibu.start()
        self.note("power-loss", begun)


def mount_small_disk(folder, mib):
    """A tmpfs of our own; needs root."""
    pathlib.Path(folder).mkdir()
    code = os.spawnlp(os.P_WAIT, "mount", "mount", "-t", "tmpfs", "-o", f"size={mib}m", "none", str(folder))
    if code != 0:
        raise PermissionError("mounting a tmpfs needs root")


def unmount(folder):
    os.spawnlp(os.P_WAIT, "umount", "umount", "-l", str(folder))
