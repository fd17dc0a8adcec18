"""The server refuses to start on a PostgreSQL that may lose what was acknowledged."""

import pathlib
import shutil
import tempfile

import servers

LOSING = ("fsync", "full_page_writes", "synchronous_commit")


def refuses(binary):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="zhibu-faults.", dir="/tmp"))
    postgres, is_good = servers.Postgres(folder), True
    try:
        for setting in LOSING:
            postgres.options = [f"{setting}=off"]
            postgres.start()
            words = start_on(binary, folder, postgres)
            is_refused = "refusing to start" in words and f"{setting} = off" in words
            print(f"start with {setting}=off: {'refused' if is_refused else 'FAILED, it starts: ' + words}", flush=True)
            is_good &= is_refused
            postgres.kill()
    finally:
        postgres.kill()
        shutil.rmtree(folder, ignore_errors=True)
    return is_good


def start_on(binary, folder, postgres):
    zhibu = servers.Zhibu(binary, folder, {"DATABASE_URL": postgres.url()})
    try:
        zhibu.start(10)
        return "it is ready"
    except servers.NotStarted as error:
        return str(error)
    finally:
        zhibu.kill()
