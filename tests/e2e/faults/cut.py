#!/usr/bin/python3
"""The cable of room A is pulled: for 5 s, then for so long that control and media are given up. The room comes back by
itself, by its resume token, to the same seat, muted as it was. Needs root; skipped (77) without network namespaces."""
import os
import subprocess
import sys
import time

from world import World, main, until

RELAY_NS, ROOM_NS = f"kgfr{os.getpid()}", f"kgfa{os.getpid()}"


def ip(*words, check=True):
    return subprocess.run(["ip", *words], check=check, capture_output=True)


def make_line():
    for ns in (RELAY_NS, ROOM_NS):
        ip("netns", "add", ns)
        ip("-n", ns, "link", "set", "lo", "up")
    ip("link", "add", "kgf0", "netns", RELAY_NS, "type", "veth", "peer", "name", "kgf1", "netns", ROOM_NS)
    for ns, end, address in ((RELAY_NS, "kgf0", "10.78.0.1/24"), (ROOM_NS, "kgf1", "10.78.0.2/24")):
        ip("-n", ns, "addr", "add", address, "dev", end)
        ip("-n", ns, "link", "set", end, "up")


def cut():
    inside = lambda ns: ("ip", "netns", "exec", ns)
    with World(address="10.78.0.1", inside=inside(RELAY_NS)) as world:
        a, b = world.rooms["room-a"], world.rooms["room-b"]
        a.inside, b.inside = inside(ROOM_NS), inside(RELAY_NS)
        world.meet()
        a.touch("meeting.microphone")
        until(lambda: world.relay.parties()["room-a"]["microphone_muted"], "room A is muted at the relay")
        for seconds, resumes in ((5, False), (23, True)):
            since, mark = world.relay.mark(), a.mark()
            ip("-n", RELAY_NS, "link", "set", "kgf0", "down")
            time.sleep(seconds)
            a.shot(f"cut-{seconds}")
            ip("-n", RELAY_NS, "link", "set", "kgf0", "up")
            began = time.monotonic()
            until(lambda: world.relay.media_flows("room-a", "room-b"), "media flows again", 20, 0.01)
            print(f"cut for {seconds} s: back after {time.monotonic() - began:.2f} s")
            if resumes:
                world.relay.expect(r"room room-a is back in meeting", since)
                a.expect(r"\[app\.relay-back\]", mark)
            a.wait_for("meeting.leave")
            assert world.relay.parties()["room-a"]["microphone_muted"]
            assert a.wait_for("meeting.microphone")["label"] == "マイク オフ"
            time.sleep(1)
            a.shot(f"cut-{seconds}-back")


if __name__ == "__main__":
    if os.geteuid() != 0 or ip("netns", "add", RELAY_NS, check=False).returncode != 0:
        print("cannot make network namespaces")
        sys.exit(77)
    ip("netns", "del", RELAY_NS)
    try:
        make_line()
        main(cut)
    finally:
        for namespace in (RELAY_NS, ROOM_NS):
            ip("netns", "del", namespace, check=False)
