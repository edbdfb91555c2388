#!/usr/bin/python3
"""kaigi-ctl agenda import of a file in which some events are wrong: each is named with its line and reason, the good
ones are imported, and the rooms show them."""
import time

from world import World, main, until


def bad_events():
    with World() as world:
        a = world.rooms["room-a"]
        a.start()
        a.wait_for("home.join")
        good = world.calendar("room-a", "room-b", uid="good@kaigi.invalid", title="防災連絡会")
        no_start = [line for line in world.calendar("room-a", uid="no-start@kaigi.invalid") if not line.startswith("DTSTART")]
        backwards = world.calendar("room-a", uid="backwards@kaigi.invalid", start=50, end=10)
        nonsense = [line.replace("DTSTART:", "DTSTART:yesterday") for line in world.calendar("room-a", uid="nonsense@kaigi.invalid")]
        no_uid = [line for line in world.calendar("room-a") if not line.startswith("UID")]
        bad = [no_start, backwards, nonsense, no_uid]
        path = world.write_agenda(*bad, good)
        done = world.relay.ctl("agenda", "import", path, "--organization", "kaku")
        print(done.stdout + done.stderr, end="")
        assert done.returncode == 3, done
        said = done.stdout + done.stderr
        lines = path.read_text().splitlines()
        for event in bad:
            first = 0
            while lines[first:first + len(event)] != event:
                first += 1
            inside = [f"agenda.ics:{n}:" for n in range(first + 1, first + len(event) + 1)]
            assert any(place in said for place in inside), f"nothing is said of lines {first + 1} to {first + len(event)}"
        until(lambda: "防災連絡会" in (a.folder / "state/agenda.ics").read_text(), "room A has the good meeting")
        for word in ("no-start", "backwards", "nonsense"):
            assert word not in (a.folder / "state/agenda.ics").read_text()
        time.sleep(0.5)
        a.shot("agenda-imported")
        for content, words in ((b"", "empty"), (b"hello\n", "left out"), (b"\xff\xfe\x00", "UTF-8"),
                               (b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", "")):
            path.write_bytes(content)
            done = world.relay.ctl("agenda", "import", path, "--organization", "kaku")
            print(repr(content[:20]), done.returncode, (done.stdout + done.stderr).strip())
            assert done.returncode in (1, 3) and words in done.stdout + done.stderr, done
        assert "広域連携" in (a.folder / "state/agenda.ics").read_text(), "a bad file takes nothing away"
        assert world.relay.ctl("agenda", "import", world.folder / "nowhere.ics", "--organization", "kaku").returncode == 1


if __name__ == "__main__":
    main(bad_events)
