"""The real kaigi-relay with rooms enrolled and a meeting running now, in a folder of its own."""
import datetime
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from kaigi_authority import Authority  # noqa: E402

UID = "browsers@kaigi.invalid"
MEETING = f"kaku/{UID}"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Relay:
    def __init__(self, build, *, workers=2):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kaigi-chromium-"))
        self.state = self.folder / "relay"
        self.state.mkdir(mode=0o700)
        self.program, self.ctl = (pathlib.Path(build) / "media/relay" / name for name in ("kaigi-relay", "kaigi-ctl"))
        self.address, self.port, self.workers, self.process = "127.0.0.1", free_port(), workers, None
        self.log = self.folder / "relay.log"
        self.authority = Authority(build, self.folder, self.state)

    def ask(self, *words):
        done = subprocess.run([self.ctl, *words, "--state", self.state], capture_output=True, text=True, timeout=20)
        if done.returncode != 0:
            raise RuntimeError(f"kaigi-ctl {' '.join(map(str, words))}: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self, rooms):
        settings = self.folder / "relay.conf"
        settings.write_text(f"[relay]\nstate={self.state}\n[listen]\naddresses={self.address}\nport={self.port}\n"
                            f"[media]\nworkers={self.workers}\n[log]\nlevel=debug\n")
        self.authority.init(self.address)
        with open(self.log, "w") as log:
            self.process = subprocess.Popen([self.program, "--config", settings], stderr=log, stdout=log)
        end = time.monotonic() + 20
        while not (self.state / "admin.sock").exists():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the relay did not start:\n" + self.log.read_text()[-2000:])
            time.sleep(0.05)
        self.ask("org", "add", "kaku", "--name", "架空市", "--reading", "かくうし")
        for room in rooms:
            self.enrol(room)
        self.invite(rooms)

    def enrol(self, room):
        key, csr = self.folder / f"{room}.key", self.folder / f"{room}.csr"
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-subj", f"/CN={room}", "-keyout", key, "-out", csr], check=True, capture_output=True)
        self.ask("room", "add", f"{room}会議室", "--id", room, "--organization", "kaku", "--department", "総務課",
                 "--csr", csr, "--cert-out", self.folder / f"{room}.crt")

    def invite(self, rooms):
        now = datetime.datetime.now(datetime.timezone.utc)
        stamp = lambda minutes: (now + datetime.timedelta(minutes=minutes)).strftime("%Y%m%dT%H%M%SZ")
        lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Kaigi//test//JA", "BEGIN:VEVENT", f"UID:{UID}",
                 f"DTSTAMP:{stamp(0)}", f"DTSTART:{stamp(-5)}", f"DTEND:{stamp(55)}", "SUMMARY:定例打合せ"]
        lines += [f"ATTENDEE;CUTYPE=ROOM:mailto:{room}@kaigi.invalid" for room in rooms]
        agenda = self.folder / "agenda.ics"
        agenda.write_text("\r\n".join(lines + ["END:VEVENT", "END:VCALENDAR", ""]), encoding="utf-8")
        self.ask("agenda", "import", agenda)

    def credentials(self, room):
        return {"ca": str(self.state / "ca.crt"), "cert": str(self.folder / f"{room}.crt"),
                "key": str(self.folder / f"{room}.key")}

    def stop(self):
        """The exit status of signer or relay: not 0 when a sanitizer had something to say."""
        status = self.authority.stop()
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                status = self.process.wait(15) or status
            except subprocess.TimeoutExpired:
                self.process.kill()
                status = self.process.wait()
        return status

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)
