#!/usr/bin/python3
"""Nothing goes wrong: a meeting, a touch on 「退出」, an orderly end. No log has a warning, or warnings mean nothing."""
import re

from world import World, main, until


def clean_leave():
    with World() as world:
        a, b = world.meet()
        a.touch("meeting.leave")
        a.wait_for("ended.home")
        until(lambda: list(world.relay.parties()) == ["room-b"], "room A has left")
        a.touch("ended.home")
        a.wait_for("home.join")
        for process in (a, b, world.relay):
            assert process.stop() == 0
            found = re.findall(r"^\S+ (?:warn|error) .*", process.log(), re.MULTILINE)
            assert not found, f"{process.name}: {found}"


if __name__ == "__main__":
    main(clean_leave)
