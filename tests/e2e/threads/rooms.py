#!/usr/bin/python3
"""The terminal's and the relay's threads under ThreadSanitizer: two rooms meet, one over UDP and one through the tunnel,
touch every button, leave, come back, and outlive a restart of the relay. A report ends its program, and so the test."""
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "faults"))
from world import World, until  # noqa: E402

PATIENCE_S = 60  # sanitized, on a busy machine
VIDEO = ["[video]", "camera=test", "width=320", "height=180", "fps=10"]


def flows(world):
    until(lambda: world.relay.media_flows("room-a", "room-b"), "media flows", PATIENCE_S)


def join(room):
    room.touch("home.join", PATIENCE_S)
    room.wait_for("meeting.leave", PATIENCE_S)


def main():
    began = time.monotonic()
    with World("[media]", "workers=2") as world:
        # GStreamer, SDL and GLib are not instrumented: TSan sees their writes (memcpy, malloc), but not their locks, and
        # would blame every buffer that crosses one. What our own code reads and writes it still sees.
        os.environ["TSAN_OPTIONS"] = os.environ.get("TSAN_OPTIONS", "") + ":ignore_noninstrumented_modules=1"
        a, b = world.rooms["room-a"], world.rooms["room-b"]
        for room, path in ((a, "auto"), (b, "tunnel")):
            room.configure(*VIDEO)
            room.start("--path", path)
        for room in (a, b):
            join(room)
        flows(world)
        for _ in range(2):
            for room in (a, b):
                for button in ("meeting.microphone", "meeting.camera"):
                    room.touch(button, PATIENCE_S)
        a.shot("meeting")
        flows(world)
        a.touch("meeting.leave", PATIENCE_S)
        join(a)
        flows(world)
        world.relay.stop()
        world.relay.start()
        flows(world)
    print(f"two rooms without a race: {time.monotonic() - began:.1f} s")


main()
