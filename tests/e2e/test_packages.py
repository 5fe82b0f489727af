#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is published works where it lands: the MCP bundle is unpacked and the
npm package installed in an empty directory, and both answer over MCP; the
registry's server.json keeps the registry's rules; the systemd unit is valid.

usage: test_packages.py AFTERTAP BUILD_DIR
"""
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

from support import ROOT, Failures, need, workspace

HELLO = {"jsonrpc": "2.0", "id": 1, "method": "initialize",
         "params": {"protocolVersion": "2025-11-25", "capabilities": {},
                    "clientInfo": {"name": "test", "version": "1"}}}
LIST = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}


def build(build_dir):
    """Makes the packages; returns their directory."""
    subprocess.run(["cmake", "--build", build_dir, "--target", "packages"],
                   check=True, stdout=subprocess.DEVNULL)
    return os.path.join(build_dir, "clients")


def ask(command, home):
    """(server's name and version, number of tools), with nothing inherited but
    a path to Node."""
    lines = json.dumps(HELLO) + "\n" + json.dumps(LIST) + "\n"
    done = subprocess.run(
        command, input=lines, capture_output=True, text=True, timeout=60,
        env={"PATH": os.environ["PATH"], "HOME": home})
    replies = {reply["id"]: reply for reply in
               map(json.loads, done.stdout.splitlines())}
    if set(replies) != {1, 2} or done.returncode:
        raise SystemExit(f"{command}: exit {done.returncode} {done.stdout}"
                         f"{done.stderr}")
    info = replies[1]["result"]["serverInfo"]
    return info["name"], info["version"], len(replies[2]["result"]["tools"])


def unpack(path, directory):
    """As an MCP host does: modes come from the archive."""
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            archive.extract(entry, directory)
            mode = entry.external_attr >> 16
            if mode:
                os.chmod(os.path.join(directory, entry.filename),
                         mode & 0o777)


def resolve(text, directory, captures):
    return (text.replace("${__dirname}", directory)
            .replace("${user_config.captures}", captures))


def foreign_libraries(program):
    """Shared libraries that are neither beside the program nor the C
    library's."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True,
                            check=True).stdout
    here = os.path.dirname(os.path.realpath(program))
    return [line.strip() for line in listed.splitlines()
            if here not in os.path.realpath(
                line.split("=>")[-1].strip().split(" ")[0])
            and not re.search(r"lib(c|m)\.so|ld-linux|vdso", line)]


def sanitized(program):
    with open(program, "rb") as file:
        return b"__asan_init" in file.read()


def check_bundle(failures, bundle, expected, scratch):
    directory = os.path.join(scratch, "bundle")
    unpack(bundle, directory)
    with open(os.path.join(directory, "manifest.json")) as file:
        manifest = json.load(file)
    config = manifest["server"]["mcp_config"]
    command = [resolve(word, directory, scratch)
               for word in [config["command"], *config["args"]]]
    failures.check("the bundle answers", ask(command, scratch), expected)
    failures.check("it brings its libraries", foreign_libraries(command[0]),
                   [])
    failures.check("its version", manifest["version"], expected[1])


def check_npm(failures, directory, expected, scratch):
    """npm pack, then npm install of the archive, without a registry."""
    if not shutil.which("npm"):
        print("not checked without npm: the npm package")
        return
    quiet = {"stdout": subprocess.DEVNULL, "check": True}
    place = os.path.join(scratch, "npm")
    os.makedirs(place)
    subprocess.run(["npm", "pack", "--silent", "--pack-destination", place,
                    directory], **quiet)
    archive, = (os.path.join(place, name) for name in os.listdir(place))
    subprocess.run(["npm", "install", "--silent", "--offline", "--no-audit",
                    "--no-fund", "--prefix", place, archive], **quiet)
    launcher = os.path.join(place, "node_modules", ".bin", "aftertap")
    failures.check("the npm package answers",
                   ask([launcher, "serve"], scratch), expected)
    failures.check("it brings its libraries", foreign_libraries(os.path.join(
        place, "node_modules", "aftertap", "programs", "aftertap")), [])
    wrong = subprocess.run([launcher, "nonsense"], capture_output=True,
                           text=True, env={**os.environ, "HOME": scratch})
    failures.check("it ends as the program does",
                   (wrong.returncode, wrong.stdout), (2, ""))


def check_server_json(failures, clients, bundle, version):
    """The rules of the registry's schema of 2025-12-11 and its publisher."""
    with open(os.path.join(clients, "server.json")) as file:
        server = json.load(file)
    failures.that("a reverse-DNS name with one slash", re.fullmatch(
        r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", server["name"]))
    failures.that("a description of at most 100 characters",
                  0 < len(server["description"]) <= 100)
    failures.check("one exact version", [server["version"]] + [
        package["version"] for package in server["packages"]],
        [version] * 3)
    npm, mcpb = server["packages"]
    for package in (npm, mcpb):
        failures.that(f"{package['registryType']}: known members",
                      set(package) <= {
                          "registryType", "registryBaseUrl", "identifier",
                          "version", "fileSha256", "runtimeHint", "transport",
                          "runtimeArguments", "packageArguments",
                          "environmentVariables"})
        failures.check("  transport", package["transport"],
                       {"type": "stdio"})
    for argument in npm["packageArguments"]:
        failures.that(f"argument {argument}", "name" in argument
                      if argument["type"] == "named" else
                      argument["type"] == "positional"
                      and ("value" in argument or "valueHint" in argument))
    with open(os.path.join(clients, "npm_directory", "package.json")) as file:
        package = json.load(file)
    failures.check("npm proves whose it is",
                   (package["name"], package["mcpName"]),
                   (npm["identifier"], server["name"]))
    with open(bundle, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    failures.check("the bundle's hash", mcpb["fileSha256"], digest)
    failures.that("its address says what it is", "mcp" in mcpb["identifier"]
                  and mcpb["identifier"].startswith("https://"))


def check_unit(failures, binary, scratch):
    if not shutil.which("systemd-analyze"):
        print("not checked without systemd-analyze: the unit")
        return
    unit = os.path.join(scratch, "aftertap.service")
    with open(os.path.join(ROOT, "clients", "systemd",
                           "aftertap.service")) as file:
        text = file.read().replace("/usr/bin/aftertap", binary)
    with open(unit, "w") as file:
        file.write(text)
    verify = subprocess.run(["systemd-analyze", "verify", "--man=no", unit],
                            capture_output=True, text=True)
    # It loads the units of other packages as well, and judges them.
    said = [line for line in verify.stderr.splitlines() if not
            line.startswith(("/lib/systemd/", "/usr/lib/systemd/", "/etc/"))]
    failures.check("systemd takes the unit", (verify.returncode, said),
                   (0, []))
    rating = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", unit],
        capture_output=True, text=True).stdout
    exposure = float(re.search(r"exposure level.*: ([0-9.]+)", rating).group(1))
    failures.that(f"and rates its exposure as {exposure}", exposure < 2)


def main(binary, build_dir):
    need("cmake", "ldd")
    failures = Failures()
    clients = build(build_dir)
    bundle, = (os.path.join(clients, name) for name in os.listdir(clients)
               if name.endswith(".mcpb"))
    with workspace() as scratch:
        expected = ask([binary, "serve"], scratch)
        check_server_json(failures, clients, bundle, expected[1])
        check_unit(failures, os.path.realpath(binary), scratch)
        if sanitized(binary):
            print("not checked with sanitizers: programs without them beside")
        else:
            check_bundle(failures, bundle, expected, scratch)
            check_npm(failures, os.path.join(clients, "npm_directory"),
                      expected, scratch)
    failures.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
