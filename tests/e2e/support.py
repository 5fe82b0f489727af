# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: running aftertap, tshark, and servers in a
network namespace."""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SKIPPED = 77  # ctest's SKIP_RETURN_CODE

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))


def skip(reason):
    print("SKIPPED:", reason)
    sys.exit(SKIPPED)


def npm_install(directory, package):
    """Whether the package of npm is in the directory; says why not."""
    if not shutil.which("npm"):
        print(f"not checked without npm: {package}")
        return False
    done = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts",
         "--loglevel=error", "--fetch-retries=1", "--fetch-timeout=30000",
         package], cwd=directory, timeout=120, capture_output=True)
    if done.returncode:
        print(f"not checked, npm install failed: {package}")
    return done.returncode == 0


def need(*programs):
    missing = [p for p in programs if not shutil.which(p)]
    if missing:
        skip("not installed: " + " ".join(missing))


def need_root():
    if os.geteuid() != 0:
        skip("needs root for network namespaces and recording")
    name = f"aftertap-probe-{os.getpid()}"
    probe = subprocess.run(["ip", "netns", "add", name],
                           capture_output=True, text=True)
    if probe.returncode:
        skip("no network namespaces here: " + probe.stderr.strip())
    subprocess.run(["ip", "netns", "delete", name], check=True)


def wait_for(what, truth, seconds=60):
    deadline = time.monotonic() + seconds
    while not truth():
        if time.monotonic() > deadline:
            raise SystemExit(f"not so within {seconds} s: {what}")
        time.sleep(0.05)


def tcpdump_counts(log):
    """(captured, received, dropped) of each time it told."""
    with open(log, encoding="utf-8") as file:
        return [tuple(map(int, each)) for each in re.findall(
            r"(\d+) packets? captured, (\d+) packets? received by filter, "
            r"(\d+) packets? dropped", re.sub(r"\n(?=\d)", ", ",
                                              file.read()))]


class TcpdumpIdle:
    """True once it captures no more, however slow it is: it ends at once when
    it is told to, whatever waits in its ring."""

    ANSWERS = 20  # that say the same, 0.1 s apart or more, tell it as well

    def __init__(self, child, log):
        self.child, self.log, self.asked = child, log, 0
        self.last, self.same = None, 0

    def __call__(self):
        told = tcpdump_counts(self.log)
        if len(told) < self.asked:
            return False  # it has not answered yet
        # On loopback it leaves out what is sent, which is counted as received;
        # a packet that was sent before it listened is counted once.
        captured, received, dropped = now = told[-1] if told else (0, 0, 0)
        self.same = self.same + 1 if now == self.last else 0
        if self.same >= self.ANSWERS or self.same and (
                dropped or received in (captured, 2 * captured)):
            return True
        self.last = now if told else None
        self.asked += 1
        self.child.send_signal(signal.SIGUSR1)
        time.sleep(0.1)
        return False


def stop_tcpdump(child, log):
    """Ends it when it has read what there was; how much it lost itself."""
    wait_for("tcpdump has read what there was", TcpdumpIdle(child, log))
    child.send_signal(signal.SIGINT)
    child.wait(60)
    return tcpdump_counts(log)[-1][2]


class Failures:
    """Collects what is wrong, so that one run shows all of it."""

    def __init__(self):
        self.count = 0

    def check(self, what, got, expected):
        if got != expected:
            self.count += 1
            print(f"FAIL {what}: got {got!r}, expected {expected!r}")
        else:
            print(f"ok   {what}: {got!r}"[:160])

    def that(self, what, truth, detail=""):
        if not truth:
            self.count += 1
        print(("ok   " if truth else "FAIL ") + what, detail)

    def exit(self):
        sys.exit(1 if self.count else 0)


class Aftertap:
    """The program in a home of its own."""

    def __init__(self, binary, home):
        self.binary, self.home = binary, home

    def run(self, *words, check=True):
        done = subprocess.run(
            [self.binary, "--home", self.home, "--quiet", *words],
            capture_output=True, text=True)
        if check and done.returncode:
            raise SystemExit(f"aftertap {' '.join(words)}: exit "
                             f"{done.returncode}\n{done.stderr}")
        return done

    def json(self, *words):
        return json.loads(self.run("--json", *words).stdout)

    def tool(self, name, **arguments):
        pairs = [f"{key}={json.dumps(value) if isinstance(value, (list, dict)) else value}"
                 for key, value in arguments.items()]
        return self.json("tool", name, *pairs)

    def rows(self, db, columns, condition="1", *options):
        """All rows of api_calls, the id first; pages by id."""
        last = 0
        while True:
            page = self.json(
                "--db", db, "sql",
                f"SELECT id, {columns} FROM api_calls WHERE ({condition})"
                f" AND id > {last} ORDER BY id", "--limit", "1000",
                *options)["rows"]
            if not page:
                return
            last = page[-1][0]
            yield from page

    def dissected(self, pcap, name, *options):
        """Imports, snapshots and dissects a file; returns the db address."""
        self.run("import", "--name", name, pcap)
        self.run("snapshots", "create", name, "--captures", name)
        self.run("dissect", name, "--name", "d", *options)
        return name + "/d"

    def database(self, db):
        snapshot, name = db.split("/")
        return os.path.join(self.home, "snapshots", snapshot, "dissections",
                            name + ".sqlite")


@contextlib.contextmanager
def workspace():
    directory = tempfile.mkdtemp(prefix="aftertap-e2e-")
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


class Namespace:
    """A network namespace with a loopback that looks like a wire."""

    def __init__(self, name):
        self.name = f"{name}-{os.getpid()}"
        self.children = []

    def __enter__(self):
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.run("ip", "link", "set", "lo", "mtu", "1500")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ethtool", "-K", "lo", "tso", "off", "gso", "off", "gro",
                 "off", check=False)
        return self

    def __exit__(self, *_):
        for child in self.children:
            if child.poll() is None:
                child.terminate()
        for child in self.children:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
        subprocess.run(["ip", "netns", "delete", self.name])

    def run(self, *words, check=True, **more):
        more.setdefault("stdout", subprocess.DEVNULL)
        more.setdefault("stderr", subprocess.DEVNULL)
        return subprocess.run(["ip", "netns", "exec", self.name, *words],
                              check=check, **more)

    def start(self, *words, **more):
        more.setdefault("stdout", subprocess.DEVNULL)
        more.setdefault("stderr", subprocess.DEVNULL)
        child = subprocess.Popen(["ip", "netns", "exec", self.name, *words],
                                 **more)
        self.children.append(child)
        return child

    def wait_port(self, port, seconds=60):
        """Until something in the namespace listens on a TCP port."""
        program = (f"import socket, time\nend = time.time() + {seconds}\n"
                   "while True:\n"
                   " try:\n"
                   f"  socket.create_connection(('127.0.0.1', {port})).close()"
                   "; break\n"
                   " except OSError:\n"
                   "  time.sleep(0.05)\n"
                   "  if time.time() > end: raise\n")
        self.run(sys.executable, "-c", program)

    def wait_udp(self, *ports):
        """Until something in the namespace has the UDP ports."""
        for port in ports:
            wait_for(f"UDP port {port}", lambda: self.run(
                "ss", "-lnuH", "sport", "=", f":{port}",
                stdout=subprocess.PIPE).stdout.strip())

    def record(self, path, expression, interface="lo"):
        """tcpdump, listening when this returns; stop with stop()."""
        log = open(path + ".log", "w+")
        child = self.start("tcpdump", "-i", interface, "-B", "262144", "-s", "0",
                           "-U", "-Z", "root", "-w", path, expression,
                           stderr=log)
        child.log = log.name
        wait_for("tcpdump listens",
                 lambda: "listening" in open(log.name).read())
        return child

    @staticmethod
    def stop(recorder):
        stop_tcpdump(recorder, recorder.log)


def impaired_captures(pcap, directory, port=None):
    """The variants that impair.py makes of a capture: names of files, and
    their paths."""
    out = os.path.join(directory, "impaired")
    os.mkdir(out)
    subprocess.run(
        [sys.executable, os.path.join(ROOT, "tests", "support", "impair.py"),
         *(["--port", str(port)] if port else []), pcap, out], check=True)
    for variant in sorted(os.listdir(out)):
        yield variant, os.path.join(out, variant)


def no_wrong_pairs(failures, aftertap, pcap, keys=None, seconds=2):
    """With packets lost in more ways: no request is paired with another's
    response (loss_tool.c).  What is paired in the capture as it is was compared
    before.  HUNT: seconds for as many ways as there is time for."""
    tool = os.path.join(os.path.dirname(aftertap.binary), "tests", "unit",
                        "dissect", "loss_tool")
    if not os.path.exists(tool):
        print("not checked, loss_tool is not built: wrong pairs")
        return
    hunt = os.environ.get("HUNT")
    done = subprocess.run(
        [tool, *(["--keys", keys] if keys else []), "--seeds", "1",
         "1000000" if hunt else "3", "--seconds", hunt or str(seconds), pcap],
        capture_output=True, text=True, errors="replace")
    lines = [line for line in done.stdout.splitlines() if ":" in line]
    failures.that("no wrong pairs behind losses",
                  done.returncode == 0, "\n".join(lines) or done.stderr)


def tshark_fields(pcap, display_filter, fields, *options):
    """Rows of tshark -T fields; the values of a field joined by '|'."""
    command = ["tshark", "-n", "--disable-protocol", "json", *options,
               "-r", pcap, "-Y", display_filter, "-T", "fields",
               "-E", "separator=/t", "-E", "aggregator=|"]
    for field in fields:
        command += ["-e", field]
    output = subprocess.run(command, capture_output=True, text=True,
                            errors="replace").stdout
    return [line.split("\t") for line in output.splitlines()]
