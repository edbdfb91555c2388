#!/usr/bin/python3
"""What administrators set for a room, as the room follows it."""
from world import World, main, until


def settled():
    """What administrators set for the room holds from its next meeting on: tunnel, mutes, and less of a picture."""
    with World() as world:
        a, b = world.meet("room-a", "room-b")
        assert world.relay.parties()["room-a"]["path"] == "udp"
        since = a.mark()
        for key, value in (("media.udp", "never"), ("media.video-kbps", "150"), ("join.microphone-muted", "true")):
            world.relay.must("setting", "set", key, value, "--scope", "room", "--id", "room-a")
        a.expect(r"video 150 kbit/s .*UDP never.* \[app\.policy\]", since)
        label = a.wait_for("meeting.microphone")["label"]
        assert label == "マイク オン", "nobody is muted in mid-meeting"
        a.touch("meeting.leave")
        a.touch("ended.rejoin")
        a.wait_for("meeting.leave")
        until(lambda: world.relay.parties().get("room-a", {}).get("path") == "tunnel", "the call goes by the tunnel")
        assert a.wait_for("meeting.microphone")["label"] == "マイク オフ"
        assert world.relay.parties()["room-b"]["path"] == "udp", "the other room was not meant"
        a.touch("meeting.microphone")
        until(lambda: a.targets()["meeting.microphone"]["label"] == "マイク オン", "who is in the room decides")
        # Nothing is set any more: as the terminal's own settings say.
        since = a.mark()
        for key in ("media.udp", "media.video-kbps", "join.microphone-muted"):
            world.relay.must("setting", "unset", key, "--scope", "room", "--id", "room-a")
        a.expect(r"video 0 kbit/s .*as in the settings.* \[app\.policy\]", since)
        a.touch("meeting.leave")
        a.touch("ended.rejoin")
        until(lambda: world.relay.parties().get("room-a", {}).get("path") == "udp", "UDP again")
        a.touch("meeting.leave")
        b.touch("meeting.leave")


if __name__ == "__main__":
    main(settled)
