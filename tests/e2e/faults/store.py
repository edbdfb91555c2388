#!/usr/bin/python3
"""The relay's store is locked, corrupt or full while it runs: status says so and what to do, meetings go on, nothing
that was acknowledged is lost, and it recovers by itself. The full disk needs root (a small tmpfs)."""
import contextlib
import os
import sqlite3
import subprocess
import time

from world import World, main, until


def status_says(world, *words):
    def look():
        said = world.relay.must("status")
        return all(word in said for word in words) and said
    line = next(l for l in until(look, f"status says {words}", 20, 0.2).splitlines() if l.startswith("store:"))
    print(line)


def refused(world, *words):
    done = world.relay.ctl("agenda", "import", world.write_agenda(
        world.calendar("room-a", "room-b", uid="late@kaigi.invalid", title="あとから")), "--organization", "kaku")
    print(done.stderr.strip())
    assert done.returncode == 1, done
    for word in words:
        assert word in done.stderr, (word, done.stderr)


def goes_on(world, a):
    """Media flows, and a touch is heard by the others."""
    until(lambda: world.relay.media_flows("room-a", "room-b"), "the meeting goes on")
    before = world.relay.parties()["room-a"]["microphone_muted"]
    a.touch("meeting.microphone")
    until(lambda: world.relay.parties()["room-a"]["microphone_muted"] != before, "a mute gets through")


def accepted(world):
    world.agenda("room-a", "room-b", uid="late@kaigi.invalid", title="あとから")
    status_says(world, "store: ")
    assert "[store.recovered]" in world.relay.log()


def locked():
    with World() as world:
        a, b = world.meet()
        with contextlib.closing(sqlite3.connect(world.relay.state / "kaigi.db", isolation_level=None)) as thief:
            thief.execute("BEGIN IMMEDIATE")
            refused(world, "another program holds the store", "nothing was changed")
            status_says(world, "another program holds the store")
            goes_on(world, a)
            thief.execute("ROLLBACK")
        accepted(world)


def corrupt():
    with World() as world:
        a, b = world.meet()
        for path in [world.relay.state / "kaigi.db", *world.relay.state.glob("kaigi.db-wal")]:
            with open(path, "r+b") as file:
                file.write(b"this is no database any more..." * (path.stat().st_size // 31))
        refused(world, "nothing was changed", "restart")
        status_says(world, "restart")
        goes_on(world, a)
        world.relay.stop()
        world.relay.start()
        assert "[store.restored]" in world.relay.log()
        until(lambda: world.relay.media_flows("room-a", "room-b"), "the rooms are back")
        assert list(world.relay.state.glob("kaigi.db.corrupt-*")), "the broken file is kept for a look"


def deleted():
    with World() as world:
        a, b = world.meet()
        (world.relay.state / "kaigi.db").unlink()
        refused(world, "nothing was changed", "restart")
        status_says(world, "restart")
        goes_on(world, a)
        world.relay.stop()
        world.relay.start()
        assert "[store.restored]" in world.relay.log()
        until(lambda: world.relay.media_flows("room-a", "room-b"), "the rooms are back")


def full():
    if os.geteuid() != 0:
        print("not root: no full disk")
        return
    with World(start=False) as world:
        state = world.relay.state
        world.authority.stop()  # its socket would lie under the full disk
        kept = {path.name: path.read_bytes() for path in state.iterdir() if path.is_file()}
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "kaigi-faults", state]).returncode != 0:
            print("cannot mount: no full disk")
            return
        try:
            for name, content in kept.items():
                (state / name).write_bytes(content)
                (state / name).chmod(0o600)
            world.authority.start()
            world.relay.start()
            world.organizations()
            for name in ("room-a", "room-b"):
                world.enrol(name)
            world.agenda("room-a", "room-b")
            a, b = world.meet()
            filler = state / "filler"
            with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * 4096)
            refused(world, "disk is full", "nothing was changed")
            status_says(world, "disk is full")
            goes_on(world, a)
            filler.unlink()
            accepted(world)
            for room in world.rooms.values():
                room.stop()
            assert world.relay.stop() == 0
        finally:
            for process in [*world.rooms.values(), world.relay, world.authority]:
                process.stop()
            time.sleep(0.2)
            subprocess.run(["umount", state], check=True)


if __name__ == "__main__":
    main(locked, corrupt, deleted, full)
