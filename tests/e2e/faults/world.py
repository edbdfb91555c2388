"""A relay and rooms as their users have them, for tests of what goes wrong: real programs, a finger on the screen,
kaigi-ctl and the logs. Everything lives in one folder and is ended, by its pid, at the end.

    with World() as world:
        a, b = world.room("room-a"), world.room("room-b")
        world.agenda("room-a", "room-b")
        b.start("--join", "auto"); a.start()
        a.touch("home.join"); a.wait_for("meeting.leave")

FAULTS_OUT names a folder that gets the screenshots, and the logs of a test that failed.
"""
import contextlib
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))

from kaigi_authority import Authority  # noqa: E402

BUILD = pathlib.Path(os.environ["KAIGI_BUILD"])
RELAY, CTL = BUILD / "media/relay/kaigi-relay", BUILD / "media/relay/kaigi-ctl"
TERMINAL, MEASURE = BUILD / "firmware/app/kaigi-terminal", BUILD / "tests/tools/kaigi-measure"
UID = "faults@kaigi.invalid"
MEETING = f"kaku/{UID}"
ORGANIZATIONS = {"kaku": ("架空市", "かくうし"), "mihon": ("見本町", "みほんちょう"), "reiji": ("例示村", "れいじむら")}
NAMES = {"room-a": ("kaku", "総務課", "第一会議室"), "room-b": ("mihon", "企画財政課", "大会議室"),
         "room-c": ("reiji", "住民課", "小会議室")}
VIDEO = ["[video]", "camera=test", "width=320", "height=180", "fps=15"]


def until(condition, what, seconds=15, step=0.02):
    """The first true value of condition()."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not in {seconds} s: {what}")
        time.sleep(step)


def free_port():
    """TCP and UDP of one number, as the relay listens."""
    while True:
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            with contextlib.suppress(OSError):
                udp.bind(tcp.getsockname())
                return tcp.getsockname()[1]


def run(*words, **options):
    return subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=60, **options)


class Process:
    def __init__(self, name, folder):
        self.name, self.log_path, self.process = name, folder / f"{name}.log", None

    def launch(self, *command):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([str(c) for c in command], stdout=log, stderr=log)

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def mark(self):
        """A place in the log, for expect(since=...)."""
        return self.log_path.stat().st_size if self.log_path.exists() else 0

    def expect(self, pattern, since=0, seconds=15):
        """Waits for a line of the log that matches."""
        def look():
            with open(self.log_path, "rb") as log:
                log.seek(since)
                return re.search(pattern, log.read().decode(errors="replace"))
        return until(look, f"{self.name}'s log says /{pattern}/", seconds)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, kind=signal.SIGTERM):
        """The exit status."""
        process, self.process = self.process, None
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(kind)
        try:
            return process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{self.name} does not end") from None


class Relay(Process):
    def __init__(self, world, *, inside=()):
        super().__init__("relay", world.folder)
        self.world, self.state, self.config = world, world.folder / "relay", world.folder / "relay.conf"
        self.inside, self.port = inside, free_port()

    def start(self):
        """Returns once it serves."""
        since = self.mark()
        self.launch(*self.inside, RELAY, "--config", self.config)
        def started():
            assert self.alive(), "the relay did not start:\n" + self.log()[-2000:]
            with open(self.log_path, "rb") as log:
                log.seek(since)
                return b"[relay.started]" in log.read()
        until(started, "the relay serves", 20, 0.005)
        return self

    def ctl(self, *words):
        return run(CTL, *words, "--state", self.state)

    def must(self, *words):
        done = self.ctl(*words)
        assert done.returncode == 0, f"kaigi-ctl {words}: {done.stdout}{done.stderr}"
        return done.stdout

    def status(self):
        """As kaigi-ctl status --json, without the cost of starting it."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(str(self.state / "admin.sock"))
            s.sendall(b'{"command":"status"}\n')
            return json.loads(s.makefile("rb").readline())

    def parties(self):
        """Of the first meeting: room id → party."""
        try:
            meetings = self.status()["meetings"]
        except (OSError, ValueError):
            return {}
        return {p["room"]: p for m in meetings for p in m["parties"]}

    def media_flows(self, *names):
        """Whether each of these rooms is there, with a path, and gets and gives packets right now."""
        before = self.parties()
        if any(n not in before or before[n]["away"] or before[n]["path"] == "none" for n in names):
            return False
        time.sleep(0.06)
        after = self.parties()
        return all(n in after and not after[n]["away"] and after[n].get("packets_in", 0) > before[n].get("packets_in", 0)
                   for n in names)


class Room(Process):
    def __init__(self, world, name):
        super().__init__(name, world.folder)
        self.world, self.folder = world, world.folder / name
        self.config, self.tap = self.folder / "terminal.conf", self.folder / "tap"
        self.inside = ()

    def configure(self, *lines, host=None, port=None, ca="ca.crt"):
        base = ["[relay]", f"host={host or self.world.address}", f"port={port or self.world.relay.port}", f"ca-file={ca}",
                "[identity]", "key-file=room.key", "certificate-file=room.crt", "[state]", "folder=state"]
        self.config.write_text("\n".join([*base, *(lines or VIDEO)]) + "\n")

    def start(self, *options, tapped=True):
        shutil.rmtree(self.tap, ignore_errors=True)
        self.tap.mkdir(mode=0o700)
        defaults = []
        for option, value in (("--camera", "test"), ("--microphone", "test"), ("--speaker", "none")):
            if option not in options:
                defaults += [option, value]
        self.launch(*self.inside, TERMINAL, "--config", self.config, "--headless", "--tap", self.tap,
                    *defaults, *options)
        until(lambda: self.answers() or not self.alive(), f"{self.name} runs", 20)
        assert self.alive(), f"{self.name} did not start:\n{self.log()[-2000:]}"
        return self

    def finger(self, line):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(str(self.tap / "finger.sock"))
            s.sendall(line.encode() + b"\n")
            return s.makefile("rb").read().decode()

    def answers(self):
        with contextlib.suppress(OSError):
            return self.finger("targets").startswith("[")
        return False

    def targets(self):
        """What can be touched now: id → target."""
        assert self.alive(), f"{self.name} is gone:\n{self.log()[-3000:]}"
        return {t["id"]: t for t in json.loads(self.finger("targets"))}

    def wait_for(self, target, seconds=20):
        return until(lambda: self.targets().get(target), f"{self.name} shows {target}", seconds, 0.05)

    def touch(self, target, seconds=20):
        t = self.wait_for(target, seconds)
        self.finger(f"touch {t['x'] + t['w'] // 2} {t['y'] + t['h'] // 2}")

    def shot(self, name):
        """A picture of the screen, kept in FAULTS_OUT."""
        path = self.world.out / f"{name}.png"
        answer = self.finger(f"screenshot {path}")
        assert answer == "ok\n", answer
        return path

    def page_says(self, code, since=0, seconds=20):
        """The error page of this code is shown."""
        self.expect(rf"\b{code}\b.*\[app\.problem\]|\[app\.problem\].*\b{code}\b", since, seconds)
        self.wait_for("error.home")

    def join(self):
        self.touch("home.join")
        self.wait_for("meeting.leave")


class World:
    def __init__(self, *relay_lines, address="127.0.0.1", rooms=("room-a", "room-b"), start=True, inside=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kaigi-faults-"))
        self.out = pathlib.Path(os.environ.get("FAULTS_OUT", self.folder))
        self.out.mkdir(parents=True, exist_ok=True)
        self.address, self.relay, self.rooms = address, Relay(self, inside=inside), {}
        self.relay.config.write_text("\n".join(
            ["[relay]", f"state={self.relay.state}", "[listen]", f"addresses={address}", f"port={self.relay.port}",
             *relay_lines]) + "\n")
        self.authority = Authority(BUILD, self.folder, self.relay.state)
        self.authority.init(address)
        self.started = time.monotonic()
        if start:
            try:
                self.relay.start()
                self.organizations()
                for name in rooms:
                    self.enrol(name)
                self.agenda(*rooms)
            except BaseException:
                self.authority.stop()
                raise

    def organizations(self):
        for organization, (name, reading) in ORGANIZATIONS.items():
            self.relay.must("org", "add", organization, "--name", name, "--reading", reading)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        signer = self.authority.stop()
        problems = [f"kaigi-signer ended with {signer}"] if signer else []
        for process in [*self.rooms.values(), self.relay]:
            try:
                status = process.stop()
                if status != 0:
                    problems.append(f"{process.name} ended with {status}")
            except AssertionError as error:
                problems.append(str(error))
            text = process.log()
            if "AddressSanitizer" in text or "runtime error:" in text:
                problems.append(f"{process.name}: the sanitizer has something to say")
        if kind or problems:
            for log in self.folder.glob("*.log"):
                print(f"--- the end of {log.name}:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-40:]),
                      file=sys.stderr)
                if self.out != self.folder:
                    shutil.copy(log, self.out)
        shutil.rmtree(self.folder, ignore_errors=True)
        if problems and not kind:
            raise AssertionError("; ".join(problems))

    def enrol(self, name):
        room = self.rooms[name] = Room(self, name)
        organization, department, title = NAMES[name]
        room.folder.mkdir()
        shutil.copy(self.relay.state / "ca.crt", room.folder / "ca.crt")
        room.configure()
        done = run(TERMINAL, "--config", room.config, "--make-identity", "--csr", room.folder / "room.csr")
        assert done.returncode == 0, done.stderr
        self.relay.must("room", "add", title, "--id", name, "--organization", organization, "--department", department,
                        "--csr", room.folder / "room.csr", "--cert-out", room.folder / "room.crt")
        return room

    def calendar(self, *rooms, uid=UID, start=-5, end=55, title="広域連携 定例打合せ"):
        now = datetime.datetime.now(datetime.timezone.utc)
        stamp = lambda minutes: (now + datetime.timedelta(minutes=minutes)).strftime("%Y%m%dT%H%M%SZ")
        return ["BEGIN:VEVENT", f"UID:{uid}", f"DTSTAMP:{stamp(0)}", f"DTSTART:{stamp(start)}", f"DTEND:{stamp(end)}",
                f"SUMMARY:{title}", *(f"ATTENDEE;CUTYPE=ROOM:mailto:{room}@kaigi.invalid" for room in rooms), "END:VEVENT"]

    def write_agenda(self, *events):
        path = self.folder / "agenda.ics"
        lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Kaigi//test//JA", *sum(events, []), "END:VCALENDAR"]
        path.write_bytes(("\r\n".join(lines) + "\r\n").encode())
        return path

    def agenda(self, *rooms, **options):
        self.relay.must("agenda", "import", self.write_agenda(self.calendar(*rooms, **options)), "--organization", "kaku")

    def meet(self, *names, options=()):
        """Rooms start and come into the meeting; returns them once media flows."""
        rooms = [self.rooms[name] for name in names or self.rooms]
        for room in rooms:
            room.start("--join", "auto", *options)
        for room in rooms:
            room.wait_for("meeting.leave")
        until(lambda: self.relay.media_flows(*(room.name for room in rooms)), "media flows")
        return rooms


def main(*tests):
    """Runs them in order, or those named on the command line; prints the time of each."""
    chosen = sys.argv[1:]
    for test in tests:
        if chosen and test.__name__ not in chosen:
            continue
        began = time.monotonic()
        test()
        print(f"{test.__name__}: {time.monotonic() - began:.1f} s", flush=True)
