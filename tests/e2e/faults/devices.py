#!/usr/bin/python3
"""Camera and microphone: not there at start, plugged in, unplugged in the meeting, plugged in again."""
import time

from world import MEASURE, World, main, run, until

def sends(world):
    """Bytes room A has sent so far."""
    return world.relay.parties()["room-a"]["bytes_in"]


def rate(world):
    """Kilobytes a second that room A sends now."""
    before = sends(world)
    time.sleep(1)
    return (sends(world) - before) / 1000


def unplugged():
    with World() as world:
        a, b = world.rooms.values()
        clip, voice = world.folder / "clip.y4m", world.folder / "voice.wav"
        run(MEASURE, "clip", "test", clip, 320, 180, 15, 75, check=True)
        run(MEASURE, "voice", "test", "up", 10, voice, check=True)

        def unplug():
            for path in (clip, voice):
                path.rename(path.with_suffix(".away"))

        def plug():
            for path in (clip, voice):
                path.with_suffix(".away").rename(path)

        b.start("--join", "auto")
        unplug()
        a.start("--camera", clip, "--microphone", voice, "--join", "auto")
        a.wait_for("meeting.leave")
        a.expect(r"camera .*clip\.y4m: it is not there; .*\[camera\.missing\]")
        a.expect(r"microphone .*voice\.wav: it is not there; .*\[microphone\.missing\]")
        time.sleep(0.5)
        a.shot("devices-missing")
        since = a.mark()
        plug()
        a.expect(r"\[camera\.running\]", since)
        a.expect(r"\[microphone\.running\]", since)
        until(lambda: world.relay.media_flows("room-a", "room-b"), "media flows")
        full = rate(world)
        since = a.mark()
        unplug()
        a.expect(r"\[camera\.lost\]", since)
        a.expect(r"\[microphone\.lost\]", since)
        time.sleep(0.5)
        a.shot("devices-unplugged")
        assert rate(world) < full / 3, "what was unplugged is still sent"
        assert world.relay.media_flows("room-b"), "room B goes on"
        since = a.mark()
        plug()
        a.expect(r"\[camera\.running\]", since)
        a.expect(r"\[microphone\.running\]", since)
        until(lambda: rate(world) > full / 3, "both are sent again")
        a.shot("devices-back")


def none_at_all():
    """A PC without a camera, a microphone or a speaker sees and hears nothing of itself, but joins."""
    with World() as world:
        a, b = world.rooms.values()
        b.start("--join", "auto")
        a.start("--camera", "/dev/video77", "--microphone", "plughw:CARD=none", "--speaker", "plughw:CARD=none", "--join", "auto")
        a.wait_for("meeting.leave")
        for device in ("camera", "microphone", "speaker"):
            a.expect(rf"\[{device}\.missing\]")
        until(lambda: world.relay.parties()["room-a"].get("packets_out", 0) > 50, "room A gets room B's media")
        a.shot("devices-none")
        a.touch("meeting.leave")
        a.touch("ended.home")
        a.wait_for("home.join")
        a.shot("devices-none-home")
        lines = a.log().count(".missing]")
        assert lines <= 12, f"{lines} lines about devices in a few seconds"


if __name__ == "__main__":
    main(unplugged, none_at_all)
