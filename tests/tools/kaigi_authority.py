"""The authorities of a test's relay and the kaigi-signer that signs for it, all under one folder."""
import pathlib
import subprocess
import time

PASSPHRASE = "a passphrase of tests only"


class Authority:
    """root/, signer/ and signer.log lie in `folder`; the relay's part in `state`, with the signer's socket."""

    def __init__(self, build, folder, state):
        self.programs = pathlib.Path(build) / "media/relay"
        self.folder, self.state = pathlib.Path(folder), pathlib.Path(state)
        self.root, self.signer, self.socket = self.folder / "root", self.folder / "signer", self.state / "signer.sock"
        self.log, self.process = self.folder / "signer.log", None

    def words(self, *words):
        """kaigi-ctl's command line for "ca init" and "ca issue"."""
        secret = self.folder / "passphrase"
        secret.write_text(PASSPHRASE + "\n")
        return [str(w) for w in (self.programs / "kaigi-ctl", "ca", *words, "--root", self.root, "--state", self.state,
                                 "--signer", self.signer, "--passphrase-file", secret)]

    def init(self, *addresses):
        options = [word for address in addresses for word in ("--address", address)]
        done = subprocess.run(self.words("init", *options), capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise AssertionError(f"kaigi-ctl ca init: {done.stdout}{done.stderr}")
        self.start()

    def start(self, *options):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.programs / "kaigi-signer", "--folder", self.signer, "--socket",
                                             self.socket, "--per-minute", "6000", *options], stderr=log, stdout=log)
        deadline = time.monotonic() + 20
        while not self.socket.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("kaigi-signer did not start:\n" + self.log.read_text()[-2000:])
            time.sleep(0.02)

    def stop(self):
        """Its exit status: not 0 when a sanitizer had something to say."""
        if not self.process:
            return 0
        process, self.process = self.process, None
        process.terminate()
        try:
            return process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
