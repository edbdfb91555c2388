#!/usr/bin/python3
"""Starts that cannot succeed: settings, files, the display, ports. Each says what is wrong and what to do."""
import os
import shutil
import socket

from world import CTL, RELAY, TERMINAL, World, main, run, until


def terminal_settings():
    """The page stands until the file reads well; then the terminal goes on by one touch."""
    with World(rooms=("room-a",)) as world:
        a = world.rooms["room-a"]
        good = a.config.read_text()
        cases = {
            "unknown": (good.replace("port=", "prot="), r'terminal\.conf:3: unknown key "prot" in \[relay\]; did you mean "port"\?'),
            "value": (good.replace("fps=15", "fps=1S"), r'terminal\.conf:14: "fps" in \[video\] cannot be "1S"; expected a whole number'),
            "syntax": (good.replace("[video]", "[video"), r"terminal\.conf:10: a section is written \[name\]"),
            "missing": (good.replace("host=127.0.0.1\n", ""), r'terminal\.conf: "host" in \[relay\] must be set'),
            "together": (good + "[proxy]\nport=8080\nuser=x\n", r"terminal\.conf: \[proxy\] user: expected a host beside it"),
        }
        for name, (text, words) in cases.items():
            a.config.write_text(text)
            since = a.mark()
            a.start()
            a.expect(rf"{words}.* \[app\.settings\]", since)
            a.wait_for("error.retry")
            assert "error.home" not in a.targets(), "there is no home without settings"
            a.shot(f"settings-{name}")
            if name != "missing":
                assert a.stop() == 0
                continue
            a.touch("error.retry")
            until(lambda: a.log().count("must be set") == 2, "the file is read again")
            a.config.write_text(good)
            a.touch("error.retry")
            a.wait_for("home.join")
            assert a.stop() == 0


def terminal_files():
    """Paths that lead nowhere, the key, the certificate, the state folder."""
    with World(rooms=("room-a",)) as world:
        a = world.rooms["room-a"]
        done = run(TERMINAL, "--config", a.folder / "nowhere.conf", "--headless", "--seconds", "1")
        assert "nowhere.conf: cannot read the settings: No such file or directory" in done.stderr, done.stderr
        assert run(TERMINAL, "--headless").returncode == 2
        a.start()
        a.wait_for("home.join")
        a.stop()
        key, away = a.folder / "room.key", a.folder / "away"
        key.rename(away)
        since = a.mark()
        a.start()
        a.expect(r"room\.key: No such file or directory; .*\[identity\].* \[app\.relay-away\]", since)
        a.shot("files-key-home")
        a.touch("home.join")
        a.page_says("K-602", since)
        a.shot("files-key")
        away.rename(key)
        a.wait_for("home.join", 30)  # by itself
        a.stop()
        # Not even root can make a folder there.
        shutil.rmtree(a.folder / "state")
        (a.folder / "state").write_text("not a folder")
        since = a.mark()
        a.start()
        a.expect(r"state/privacy: Not a directory; give this user the folder", since)
        a.join()
        assert a.wait_for("meeting.microphone")["label"] == "マイク オフ", "what is not known is not switched on"
        a.touch("meeting.microphone")
        a.expect(r"\[app\.state-not-saved\]", since)
        until(lambda: a.targets()["meeting.microphone"]["label"] == "マイク オン", "the meeting goes on")
        a.touch("meeting.leave")


def display():
    with World(rooms=("room-a",)) as world:
        without = {k: v for k, v in os.environ.items()
                   if k not in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER", "XDG_RUNTIME_DIR")}
        if os.path.exists("/dev/dri/card0"):
            print("a display device is here: not tried without")
            return
        done = run(TERMINAL, "--config", world.rooms["room-a"].config, "--seconds", "1", env=without)
        assert done.returncode == 1, done
        assert "no display" in done.stderr and "--headless" in done.stderr and "/dev/dri" in done.stderr, done.stderr


def relay_settings():
    with World(start=False) as world:
        relay = world.relay
        good = relay.config.read_text()

        def refused(*words, config=relay.config):
            done = run(RELAY, "--config", config)
            assert done.returncode == 1, done
            for word in words:
                assert word in done.stderr, (word, done.stderr)
            assert done.stderr.count(" error ") == 1, done.stderr

        for text, words in {
            good.replace("addresses", "adresses"): 'relay.conf:4: unknown key "adresses" in [listen]; did you mean "addresses"?',
            good + "[limits]\nconnections=many\n": 'relay.conf:7: "connections" in [limits] cannot be "many"; expected a whole number',
            good + "connections 5\n": "relay.conf:6:",
        }.items():
            relay.config.write_text(text)
            refused(words)
        relay.config.write_text(good)
        refused("cannot read the settings", config=world.folder / "nowhere.conf")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", relay.port))
            taken.listen()
            refused("Address already in use", "[listen] port")
        relay.start()
        refused("another kaigi-relay is using the state folder")
        done = run(CTL, "status", "--state", world.folder / "nowhere")
        assert done.returncode == 1 and "--state" in done.stderr, done


if __name__ == "__main__":
    main(terminal_settings, terminal_files, display, relay_settings)
