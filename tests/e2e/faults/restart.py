#!/usr/bin/python3
"""The relay dies or is restarted in mid-meeting: the rooms come back by themselves, to the same seats, and nobody who
was muted is heard. Times count from the moment the relay serves again. ROUNDS sets how often it is killed."""
import os
import signal
import time

from world import World, main, until

ROUNDS = int(os.environ.get("ROUNDS", "3"))
LIMIT_S = float(os.environ.get("LIMIT_S", "0"))  # p95 of the time back; 0: only told


def mute_a(world, a):
    a.touch("meeting.microphone")
    until(lambda: world.relay.parties()["room-a"]["microphone_muted"], "room A is muted at the relay")


def back(world, rooms):
    """Room → seconds until it has media both ways again, from now on; room A stays muted at every look."""
    began, times = time.monotonic(), {}

    def look():
        a = world.relay.parties().get("room-a")
        assert a is None or a["microphone_muted"], "room A is not muted any more"
        for room in rooms:
            if room.name not in times and world.relay.media_flows(room.name):
                times[room.name] = time.monotonic() - began
        return len(times) == len(rooms)
    until(look, "the rooms are back", 20, 0.01)
    return times


def still_muted(world, a):
    muted = {name: (p["microphone_muted"], p["camera_muted"]) for name, p in world.relay.parties().items()}
    assert muted == {"room-a": (True, False), "room-b": (False, False)}, muted
    assert a.wait_for("meeting.microphone")["label"] == "マイク オフ"


def same_seats(world, since):
    for name in ("room-a", "room-b"):
        world.relay.expect(rf"room {name} is back in meeting", since)
    with open(world.relay.log_path, "rb") as log:
        log.seek(since)
        assert b" joined meeting" not in log.read(), "a room came back to another seat"


def killed():
    """SIGKILL, ROUNDS times."""
    with World() as world:
        a, b = world.meet()
        mute_a(world, a)
        times = []
        for n in range(ROUNDS):
            time.sleep(1)  # the store has the seats by then
            since = world.relay.mark()
            world.relay.stop(signal.SIGKILL)
            time.sleep(0.7)
            if n == 0:
                a.shot("restart-away")
            world.relay.start()
            times += back(world, (a, b)).values()
            still_muted(world, a)
            same_seats(world, since)
        a.shot("restart-back")
        times.sort()
        p95 = times[min(len(times) - 1, round(0.95 * (len(times) - 1)))]
        print(f"back after {' '.join(f'{t:.2f}' for t in times)} s; p95 {p95:.2f} s")
        assert not LIMIT_S or p95 <= LIMIT_S, f"p95 is over {LIMIT_S} s"


def stopped():
    """SIGTERM: the relay says so, the rooms show it, and come back when it is there again."""
    with World() as world:
        a, b = world.meet()
        mute_a(world, a)
        since, mark = world.relay.mark(), a.mark()
        assert world.relay.stop() == 0
        a.expect(r"shutting-down \[app\.relay-closing\]", mark, 3)
        time.sleep(0.5)
        a.shot("restart-told")
        world.relay.start()
        print("back after", " ".join(f"{t:.2f}" for t in back(world, (a, b)).values()), "s")
        still_muted(world, a)
        same_seats(world, since)


def terminal():
    """The terminal itself dies while muted: it starts muted, and comes back muted."""
    with World() as world:
        a, b = world.meet()
        mute_a(world, a)
        a.stop(signal.SIGKILL)
        a.start("--join", "auto")
        a.wait_for("meeting.leave")
        back(world, (a, b))
        still_muted(world, a)
        a.touch("meeting.microphone")
        until(lambda: not world.relay.parties()["room-a"]["microphone_muted"], "a touch switches it on")


if __name__ == "__main__":
    main(killed, stopped, terminal)
