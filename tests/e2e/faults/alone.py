#!/usr/bin/python3
"""Nobody is there to see: a room alone in a meeting sends sound, but no picture. Whoever comes sees it at once."""
import time

from world import World, main

SOUND_PER_S = 50


def rate(world, name, seconds):
    """RTP packets a second from this room, as the relay counts them."""
    before, began = world.relay.parties()[name]["packets_in"], time.monotonic()
    time.sleep(seconds)
    return (world.relay.parties()[name]["packets_in"] - before) / (time.monotonic() - began)


def alone():
    with World() as world:
        a, b = world.rooms["room-a"], world.rooms["room-b"]
        a.start("--join", "auto")
        b.start()
        a.expect("nobody watches our camera", seconds=20)
        b.wait_for("home.join")
        time.sleep(0.5)  # what was on its way
        quiet = rate(world, "room-a", 3)
        assert quiet < SOUND_PER_S + 3, f"{quiet:.0f} packets a second, though nobody watches"
        began = time.monotonic()
        b.join()
        b.expect(r"\[app\.first-picture\]", seconds=10)
        took = time.monotonic() - began
        print(f"alone: {quiet:.0f} packets/s; touch to first picture {took * 1000:.0f} ms")
        assert took < 2, f"{took:.1f} s to the first picture"
        time.sleep(1)
        assert rate(world, "room-a", 3) > SOUND_PER_S + 10, "no pictures are sent though somebody watches"
        since = a.mark()
        b.touch("meeting.leave")
        a.expect("nobody watches our camera", since, 10)
        time.sleep(0.5)
        assert rate(world, "room-a", 2) < SOUND_PER_S + 3, "pictures go on though nobody is left"


if __name__ == "__main__":
    main(alone)
