#!/usr/bin/python3
"""The office's proxy is away, refuses, wants another password, is no proxy, or never answers: each has its own page,
which tells the person in front what can be done there and whom to tell what. When the proxy is mended the room is
there again by itself."""
import pathlib
import signal
import sys

from away import meets, recovers, with_agenda
from world import VIDEO, Process, World, free_port, main, until

FAKE = pathlib.Path(__file__).resolve().parents[2] / "fakes/connect_proxy.py"
USER, PASSWORD = "kaigi", "himitsu-no-aikotoba"


class Proxy(Process):
    def __init__(self, world):
        super().__init__("proxy", world.folder)
        self.port = free_port()

    def start(self, behaviour="connect", password=PASSWORD):
        since = self.mark()
        self.launch(sys.executable, FAKE, self.port, f"{USER}:{password}", behaviour)
        self.expect("serving", since)

    def stop(self, kind=signal.SIGKILL):
        return super().stop(kind)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def serves(self, room, password=PASSWORD, host="127.0.0.1"):
        """The room reaches the relay only through it."""
        room.configure(*VIDEO, "[media]", "udp=never", "[proxy]", f"host={host}", f"port={self.port}", f"user={USER}",
                       f"password={password}")


class Office(World):
    """Room A reaches the relay only through the proxy; room B, if there is one, directly."""

    def __enter__(self):
        self.proxy = Proxy(self)
        self.behind_proxy()
        return self

    def __exit__(self, *problem):
        a = self.rooms["room-a"]
        if not problem[0]:
            assert a.alive() or a.process is None, "the terminal is gone"
            assert PASSWORD not in a.log(), "the password is in the log"
        self.proxy.stop()
        super().__exit__(*problem)

    def behind_proxy(self, password=PASSWORD, host="127.0.0.1"):
        self.proxy.serves(self.rooms["room-a"], password, host)


def away():
    """Nothing listens at the proxy's port; then its name is unknown. The remedy: cables, wait, tell which machine."""
    with Office(rooms=("room-a",)) as office:
        office.proxy.start()
        a = with_agenda(office)
        office.proxy.stop()
        meets(a, "proxy-away", "K-105", rf"proxy-unreachable: 127\.0\.0\.1 port {office.proxy.port} does not accept.*"
              r"host and port in \[proxy\]")
        assert "error.retry" in a.targets(), "the person in front can try again"
        office.proxy.start()
        recovers(a)
        office.behind_proxy(host="proxy.invalid")
        meets(a, "proxy-name", "K-105", r"proxy-unreachable: proxy\.invalid: ")


def silent():
    """The proxy takes the connection and says nothing more."""
    with Office(rooms=("room-a",)) as office:
        office.proxy.start()
        a = with_agenda(office)
        office.proxy.stop()
        office.proxy.start("hang")
        meets(a, "proxy-silent", "K-105", "proxy-unreachable: no progress while waiting for the proxy")
        office.proxy.stop()
        office.proxy.start()
        recovers(a)


def refuses():
    """By its rules (403), or because the relay is away behind it (502). The remedy: allow CONNECT to the relay."""
    with Office(rooms=("room-a",)) as office:
        office.proxy.start()
        a = with_agenda(office)
        office.proxy.stop()
        office.proxy.start("403")
        meets(a, "proxy-403", "K-106", r"proxy: the proxy 127\.0\.0\.1 answered 403; let the proxy CONNECT")
        office.proxy.stop()
        office.proxy.start()
        recovers(a)
        office.relay.stop()
        meets(a, "proxy-502", "K-106", r"proxy: the proxy 127\.0\.0\.1 answered 502")
        office.relay.start()
        recovers(a)


def no_proxy():
    """Another program, or one that only hangs up, listens there. The remedy: the settings' host and port."""
    with Office(rooms=("room-a",)) as office:
        office.proxy.start()
        a = with_agenda(office)
        for behaviour in ("garbage", "hang-up"):
            office.proxy.stop()
            office.proxy.start(behaviour)
            meets(a, f"proxy-{behaviour}", "K-105",
                  rf"proxy-unreachable: 127\.0\.0\.1 port {office.proxy.port} does not answer as an HTTP proxy; check .*")
            office.proxy.stop()
            office.proxy.start()
            recovers(a)


def password():
    """The settings' password is wrong; then the proxy's own is changed. The remedy: [proxy] user and password."""
    with Office(rooms=("room-a",)) as office:
        office.proxy.start()
        a = with_agenda(office)
        office.behind_proxy(password="chigau")
        meets(a, "proxy-407", "K-107", r"proxy-auth: the proxy 127\.0\.0\.1 answered 407; check user and password in \[proxy\]")
        assert "chigau" not in a.log(), "the password is in the log"
        a.stop()
        office.behind_proxy()
        since = office.relay.mark()
        a.start()
        office.relay.expect(r"room room-a from .* \[room\.connected\]", since)
        a.stop()
        office.proxy.stop()
        office.proxy.start(password="changed")
        meets(a, "proxy-password-changed", "K-107", r"proxy-auth: ")
        office.proxy.stop()
        office.proxy.start()
        recovers(a)


def in_meeting():
    """The proxy dies and is started again while two rooms meet: room A is back in the meeting, muted as it was."""
    with Office() as office:
        office.proxy.start()
        a, b = office.meet()
        a.touch("meeting.microphone")
        until(lambda: office.relay.parties()["room-a"]["microphone_muted"], "room A is muted at the relay")
        since = a.mark()
        office.proxy.stop()
        a.expect(r"proxy-unreachable: .*\[app\.relay-away\]", since)
        a.shot("proxy-in-meeting")
        office.proxy.start()
        until(lambda: office.relay.media_flows("room-a", "room-b"), "media flows again", 20)
        assert office.relay.parties()["room-a"]["microphone_muted"], "nobody is unmuted by a proxy"
        a.wait_for("meeting.leave")


if __name__ == "__main__":
    main(away, silent, refuses, no_proxy, password, in_meeting)
