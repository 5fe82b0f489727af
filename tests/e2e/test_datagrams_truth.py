#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small protocols against real servers: net-snmp, FreeRADIUS, chrony, rsyslog,
dnsmasq with ISC's DHCP client, and freeDiameter.  Calls are what the programs
said and what tshark sees; no pair is wrong with packets lost, swapped and
doubled.

usage: test_datagrams_truth.py AFTERTAP
"""
import collections
import os
import re
import subprocess
import sys

from support import (Aftertap, Failures, Namespace, impaired_captures, need,
                     need_root, tshark_fields, wait_for, workspace)

SNMP, RADIUS, ACCOUNTING, SYSLOG, SYSLOG_TCP = 7416, 7417, 7418, 7419, 7422
DIAMETER = (7420, 7421)
DECODE = [word for rule in (
    f"udp.port=={SNMP},snmp", f"udp.port=={RADIUS},radius",
    f"udp.port=={ACCOUNTING},radius", f"udp.port=={SYSLOG},syslog",
    f"tcp.port=={SYSLOG_TCP},syslog", f"tcp.port=={DIAMETER[1]},diameter",
    f"tcp.port=={DIAMETER[0]},diameter") for word in ("-d", rule)]
PASSWORD = "a-radius-password"


def write(directory, name, text):
    path = os.path.join(directory, name)
    with open(path, "w") as file:
        file.write(text)
    return path


# SNMP.

def snmp_start(space, directory):
    config = write(directory, "snmpd.conf", """rocommunity public
rwcommunity private
createUser ada SHA "authentication" AES "encryption"
rouser ada auth
sysLocation somewhere
""")
    os.environ["SNMP_PERSISTENT_DIR"] = directory
    os.environ["MIBS"] = ""
    space.start("snmpd", "-f", "-Lo", "-C", "-c", config, "-p",
                directory + "/snmpd.pid", f"udp:127.0.0.1:{SNMP}")
    space.wait_udp(SNMP)


def snmp_talk(space):
    """What the client printed of the system's group."""
    agent = f"127.0.0.1:{SNMP}"
    one = ["-On", "-Oe", "-r", "0", "-t", "60"]
    two = [*one, "-v2c", "-c", "public"]
    three = [*one, "-v3", "-u", "ada", "-a", "SHA", "-A", "authentication"]
    said = space.run("snmpwalk", *two, agent, "1.3.6.1.2.1.1",
                     stdout=subprocess.PIPE).stdout.decode()
    space.run("snmpbulkwalk", *two, agent, "1.3.6.1.2.1.2")
    space.run("snmpget", *one, "-v1", "-c", "public", agent,
              "1.3.6.1.2.1.1.5.0")
    space.run("snmpget", *one, "-v1", "-c", "public", agent,
              "1.3.6.1.2.1.9.9.0", check=False)
    space.run("snmpset", *one, "-v2c", "-c", "private", agent,
              "1.3.6.1.2.1.1.1.0", "s", "x", check=False)
    space.run("snmpget", *two[:-1], "unknown-community", "-t", "0.2", agent,
              "1.3.6.1.2.1.1.5.0", check=False)
    space.run("snmpget", *three, "-l", "authNoPriv", agent,
              "1.3.6.1.2.1.1.5.0")
    space.run("snmpget", *three, "-l", "authPriv", "-x", "AES", "-X",
              "encryption", agent, "1.3.6.1.2.1.1.5.0")
    return said


def snmp_check(failures, aftertap, db, pcap, said):
    theirs = collections.Counter()
    for row in tshark_fields(pcap, "snmp", ["snmp.data"], *DECODE):
        theirs[row[0].split("|")[0]] += 1
    ours = collections.Counter()
    for _, method, request, response, text in aftertap.rows(
            db, "method, has_request, has_response, status_text",
            "protocol = 'snmp'"):
        ours[method] += request
        if response:
            report = text == "unknownEngineIDs" or text == "notInTimeWindows"
            ours["Encrypted" if method == "Encrypted" else
                 "Report" if report else "Response"] += 1
    names = {"": "Encrypted", "0": "GetRequest", "1": "GetNextRequest",
             "2": "Response", "3": "SetRequest", "5": "GetBulkRequest",
             "8": "Report"}
    failures.check("SNMP: PDUs as tshark counts them", ours,
                   collections.Counter({names.get(key, key): count for
                                        key, count in theirs.items()}))
    values = {row[1].replace(" = ", " = ", 1) for row in aftertap.rows(
        db, "header(id, 'response', 'binding')", "protocol = 'snmp' AND"
        " header(id, 'response', 'binding') IS NOT NULL")}
    printed = re.findall(r"^\.(1\.3\.6\.1\.2\.1\.1\.[1456]\.0) = STRING:"
                         r' "?(.*?)"?$', said, re.M)
    failures.that("SNMP: values as the client printed them", printed and all(
        f"{oid} = OCTET STRING: {value}" in values for oid, value in printed
        if value), printed)
    errors = collections.Counter(row[1] for row in aftertap.rows(
        db, "status_text", "protocol = 'snmp' AND is_error"))
    failures.check("SNMP: errors", errors["noSuchName"], 1)
    failures.check("SNMP: what was not writable", errors["notWritable"], 1)
    shown = aftertap.json("--db", db, "sql", "SELECT header(id, 'request',"
                          " 'snmp-community') FROM api_calls WHERE protocol ="
                          " 'snmp' AND version != '3' LIMIT 1")["rows"][0][0]
    failures.that("SNMP: communities are redacted", "redacted" in shown, shown)


# RADIUS.

def radius_start(space, directory):
    write(directory, "users", f'ada Cleartext-Password := "{PASSWORD}"\n'
          '\tReply-Message := "hello", Framed-IP-Address := 10.1.2.3\n')
    write(directory, "radiusd.conf", f"""
prefix = /usr
libdir = /usr/lib/freeradius
logdir = {directory}
run_dir = {directory}
raddbdir = {directory}
pidfile = {directory}/radiusd.pid
security {{
	reject_delay = 0
	status_server = yes
}}
client local {{
	ipaddr = 127.0.0.1
	secret = testing123
}}
modules {{
	pap {{
	}}
	files {{
		filename = {directory}/users
	}}
	always ok {{
		rcode = ok
	}}
}}
server default {{
	listen {{
		type = auth
		ipaddr = 127.0.0.1
		port = {RADIUS}
	}}
	listen {{
		type = acct
		ipaddr = 127.0.0.1
		port = {ACCOUNTING}
	}}
	authorize {{
		files
		pap
	}}
	authenticate {{
		Auth-Type PAP {{
			pap
		}}
	}}
	accounting {{
		ok
	}}
}}
""")
    space.start("freeradius", "-f", "-s", "-l", directory + "/radius.log",
                "-d", directory, "-n", "radiusd")
    space.wait_udp(RADIUS, ACCOUNTING)


def radius_talk(space):
    def ask(port, kind, text, check=True):
        space.run("radclient", "-r", "1", "-t", "60", f"127.0.0.1:{port}", kind,
                  "testing123", input=text.encode(), check=check)

    for i in range(20):
        ask(RADIUS, "auth", f'User-Name = "ada"\nUser-Password = "{PASSWORD}"'
            f"\nNAS-IP-Address = 10.0.0.7\nNAS-Port = {i}\n")
    ask(RADIUS, "auth", 'User-Name = "eve"\nUser-Password = "no"\n'
        "NAS-IP-Address = 10.0.0.7\nNAS-Port = 3\n", False)
    for kind in ("Start", "Interim-Update", "Stop"):
        ask(ACCOUNTING, "acct", f'User-Name = "ada"\nAcct-Status-Type = {kind}'
            '\nAcct-Session-Id = "s-1"\nNAS-IP-Address = 10.0.0.7\n')


def radius_check(failures, aftertap, db, pcap):
    theirs = collections.Counter(int(row[0]) for row in tshark_fields(
        pcap, "radius", ["radius.code"], *DECODE))
    codes = {"Access-Request": 1, "Accounting-Request": 4}
    ours = collections.Counter()
    for _, method, status, request, response in aftertap.rows(
            db, "method, status, has_request, has_response",
            "protocol = 'radius'"):
        ours[codes[method]] += request
        if response:
            ours[status] += 1
    failures.check("RADIUS: messages by code", ours, theirs)
    failures.check("RADIUS: rejected", [row[1] for row in aftertap.rows(
        db, "path", "protocol = 'radius' AND is_error")], ["eve"])
    failures.check("RADIUS: address given", aftertap.json(
        "--db", db, "sql", "SELECT count(*) FROM api_calls WHERE"
        " header(id, 'response', 'Framed-IP-Address') = '10.1.2.3'"
    )["rows"][0][0], 20)
    failures.check("RADIUS: passwords", {row[1] for row in aftertap.rows(
        db, "header(id, 'request', 'User-Password') = '[secret]' OR"
        " header(id, 'request', 'User-Password') LIKE '[redacted%'",
        "protocol = 'radius' AND method = 'Access-Request'")}, {1})


# NTP.

def ntp_start(space, directory):
    config = write(directory, "chrony.conf", f"""local stratum 8
allow
cmdport 0
pidfile {directory}/chronyd.pid
driftfile {directory}/drift
""")
    space.start("chronyd", "-x", "-d", "-u", "root", "-f", config)
    space.wait_udp(123)


def ntp_talk(space, directory):
    config = write(directory, "client.conf", "server 127.0.0.1 iburst maxsamples"
                   f" 4\ncmdport 0\npidfile {directory}/client.pid\n")
    space.run("timeout", "120", "chronyd", "-Q", "-x", "-u", "root", "-f",
              config, check=False)


def ntp_check(failures, aftertap, db, pcap):
    modes = collections.Counter()
    sent, returned = set(), set()
    for mode, transmit, origin in tshark_fields(
            pcap, "ntp", ["ntp.flags.mode", "ntp.xmt", "ntp.org"]):
        modes[int(mode, 0)] += 1
        if int(mode, 0) == 3:
            sent.add(transmit)
        else:
            returned.add(origin)
    rows = list(aftertap.rows(db, "has_request, has_response,"
                              " header(id, 'response', 'stratum')",
                              "protocol = 'ntp'"))
    failures.check("NTP: messages by mode", {
        3: sum(row[1] for row in rows), 4: sum(row[2] for row in rows)},
        dict(modes))
    failures.check("NTP: pairs", sum(row[1] and row[2] for row in rows),
                   len(sent & returned))
    failures.check("NTP: stratum", {row[3] for row in rows if row[2]}, {"8"})


# syslog.

def syslog_start(space, directory):
    log = os.path.join(directory, "received.log")
    config = write(directory, "rsyslog.conf", f"""
module(load="imudp")
module(load="imtcp")
input(type="imudp" port="{SYSLOG}")
input(type="imtcp" port="{SYSLOG_TCP}")
template(name="plain" type="string" string="%syslogfacility-text%|%syslogseverity%|%programname%|%msg:::drop-last-lf%\\n")
*.* action(type="omfile" file="{log}" template="plain")
""")
    space.start("rsyslogd", "-n", "-f", config, "-i",
                directory + "/rsyslogd.pid")
    space.wait_udp(SYSLOG)
    space.wait_port(SYSLOG_TCP)
    return log


def syslog_talk(space, log):
    def say(*words):
        space.run("logger", "--server", "127.0.0.1", *words)

    count = 0
    for i, severity in enumerate(("err", "info", "crit", "debug")):
        for carrier in (("--udp", "--port", str(SYSLOG)),
                        ("--tcp", "--port", str(SYSLOG_TCP)),
                        ("--tcp", "--octet-count", "--port",
                         str(SYSLOG_TCP))):
            for form in ("--rfc3164", "--rfc5424"):
                say(*carrier, form, "-t", "tester", "-p",
                    f"local{i}.{severity}", f"message {count} of {severity}")
                count += 1
    wait_for("rsyslogd has all", lambda: os.path.exists(log) and len(
        open(log).readlines()) >= count)


def syslog_check(failures, aftertap, db, log):
    with open(log) as file:
        theirs = collections.Counter()
        for line in file:
            facility, severity, app, text = line.rstrip("\n").split("|", 3)
            if app == "tester":
                theirs[facility, int(severity), app, text.strip()] += 1
    ours = collections.Counter(tuple(row[1:]) for row in aftertap.rows(
        db, "header(id, 'request', 'facility'), status, path,"
        " trim(body_text(id, 'request'))", "protocol = 'syslog'"))
    failures.check("syslog: what rsyslogd wrote", ours, theirs)
    failures.check("syslog: errors", aftertap.json(
        "--db", db, "sql", "SELECT count(*) FROM api_calls WHERE protocol ="
        " 'syslog' AND is_error")["rows"][0][0], 12)


# Diameter.

def diameter_config(directory, number):
    name, other = ("one", "two") if number == 0 else ("two", "one")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                    "-subj", f"/CN={name}.test", "-keyout",
                    f"{directory}/{name}.key", "-out",
                    f"{directory}/{name}.pem"], check=True,
                   capture_output=True)
    connect = (f'ConnectPeer = "{other}.test" {{ ConnectTo = "10.80.0.1";'
               f" Port = {DIAMETER[1 - number]}; No_TLS; }};\n")
    return write(directory, f"{name}.conf", f"""Identity = "{name}.test";
Realm = "test";
Port = {DIAMETER[number]};
SecPort = {DIAMETER[number] + 10};
No_SCTP;
No_IPv6;
ListenOn = "10.80.0.1";
TLS_Cred = "{directory}/{name}.pem", "{directory}/{name}.key";
TLS_CA = "{directory}/{name}.pem";
TLS_DH_Bits = 1024;
TwTimer = 6;
{connect}""")


def diameter_talk(space, directory):
    # It takes no address of 127.0.0.0/8 for its own.
    space.run("ip", "address", "add", "10.80.0.1/32", "dev", "lo")
    children = []
    for number in (1, 0):
        config = diameter_config(directory, number)
        with open(f"{config}.log", "w") as log:
            children.append(space.start("freeDiameterd", "-c", config,
                                        stdout=log, stderr=log))
    wait_for("the peers are connected", lambda: "STATE_OPEN" in "".join(
        open(f"{directory}/{name}.conf.log", errors="replace").read()
        for name in ("one", "two")))
    subprocess.run(["sleep", "9"], check=True)  # for a watchdog
    for child in children:
        child.terminate()
        child.wait(60)


def diameter_check(failures, aftertap, db, pcap):
    theirs = collections.Counter()
    for commands, requests in tshark_fields(
            pcap, "diameter", ["diameter.cmd.code", "diameter.flags.request"],
            *DECODE):
        theirs.update(zip(commands.split("|"), requests.split("|")))
    codes = {"Capabilities-Exchange": "257", "Device-Watchdog": "280",
             "Disconnect-Peer": "282"}
    ours = collections.Counter()
    for _, method, request, response in aftertap.rows(
            db, "method, has_request, has_response", "protocol = 'diameter'"):
        ours[codes[method], "1"] += request
        ours[codes[method], "0"] += response
    failures.that("Diameter: peers spoke", theirs["257", "1"] > 0, theirs)
    failures.check("Diameter: messages by command", +ours, theirs)


# DHCP.

def dhcp_record(directory):
    pcap = os.path.join(directory, "dhcp.pcap")
    log = os.path.join(directory, "dnsmasq.log")
    with Namespace("at-dhcp-s") as server, Namespace("at-dhcp-c") as client, \
            open(log, "w") as file:
        subprocess.run(["ip", "link", "add", "wire", "netns", server.name,
                        "type", "veth", "peer", "name", "wire", "netns",
                        client.name], check=True)
        for space in (server, client):
            space.run("ip", "link", "set", "wire", "up")
        server.run("ip", "address", "add", "10.79.0.1/24", "dev", "wire")
        server.run("ip", "address", "add", "fd79::1/64", "dev", "wire",
                   "nodad")
        server.start("dnsmasq", "-d", "-C", "/dev/null", "--port=0",
                     "--user=root", "--interface=wire", "--log-dhcp",
                     "--dhcp-range=10.79.0.50,10.79.0.60,1h",
                     "--dhcp-range=fd79::100,fd79::110,64,1h",
                     "--dhcp-leasefile=" + directory + "/leases",
                     "--pid-file=" + directory + "/dnsmasq.pid", stderr=file)
        server.wait_udp(67)
        recorder = server.record(pcap, "udp", "wire")
        wait_for("the link has an address", lambda: b"tentative" not in
                 client.run("ip", "-6", "address",
                            stdout=subprocess.PIPE).stdout)
        for family in ("-4", "-6"):
            lease(client, family, directory)
        server.stop(recorder)
    return pcap, log


def lease(client, family, directory):
    """Runs the client until it has an address."""
    path = f"{directory}/lease{family}"
    child = client.start("dhclient", family, "-1", "-d", "-sf", "/bin/true",
                         "-lf", path, "-pf", f"{path}.pid", "wire")
    wait_for("a lease", lambda: os.path.exists(path) and (
        "fixed-address" in open(path).read() or "iaaddr" in open(path).read()))
    child.terminate()
    child.wait(60)


def dhcp_check(failures, aftertap, pcap, log):
    db = aftertap.dissected(pcap, "dhcp")
    said = open(log, errors="replace").read()
    rows = list(aftertap.rows(
        db, "method, status_text, has_request AND has_response, host,"
        " header(id, 'response', 'your-address'), path", "protocol = 'dhcp'"))
    exchanges = collections.Counter(tuple(row[1:4]) for row in rows)
    failures.that("DHCP: offered", exchanges[
        "DHCPDISCOVER", "DHCPOFFER", 1] > 0, exchanges)
    failures.that("DHCP: acknowledged", exchanges[
        "DHCPREQUEST", "DHCPACK", 1] > 0, exchanges)
    given = re.search(r"DHCPACK\(wire\) (\S+) (\S+)", said)
    failures.that("DHCP: address and client as the server logged them",
                  given and any(row[5:7] == [given.group(1), given.group(2)]
                                for row in rows if row[2] == "DHCPACK"),
                  given and given.groups())
    theirs = collections.Counter(row[0] for row in tshark_fields(
        pcap, "dhcp", ["dhcp.option.dhcp"]))
    names = ("", "DHCPDISCOVER", "DHCPOFFER", "DHCPREQUEST", "", "DHCPACK")
    ours = collections.Counter()
    for _, method, status, request, response in aftertap.rows(
            db, "method, status_text, has_request, has_response",
            "protocol = 'dhcp'"):
        ours[str(names.index(method))] += request
        if response:
            ours[str(names.index(status))] += 1
    failures.check("DHCP: messages by type", ours, theirs)
    theirs = tshark_fields(pcap, "dhcpv6", ["dhcpv6.msgtype", "dhcpv6.xid"])
    six = list(aftertap.rows(
        db, "method, has_request, has_response, header(id, 'response',"
        " 'ia-address')", "protocol = 'dhcp6'"))
    failures.check("DHCPv6: messages", sum(row[2] + row[3] for row in six),
                   len(theirs))
    given = re.findall(r"DHCPREPLY\(wire\) (\S+)", said)
    failures.that("DHCPv6: address as the server logged it", given and any(
        (row[4] or "").startswith(given[0] + ",") for row in six), given)


# All of them but DHCP on one loopback.

WRONG = {
    "snmp": "header(id, 'request', 'request-id') != header(id, 'response',"
            " 'request-id') AND header(id, 'request', 'message-id') IS NULL",
    "radius": "header(id, 'request', 'identifier') != header(id, 'response',"
              " 'identifier')",
    "ntp": "header(id, 'request', 'transmit') != header(id, 'response',"
           " 'originate')",
    "diameter": "header(id, 'request', 'end-to-end') != header(id,"
                " 'response', 'end-to-end')",
}


def impaired(failures, aftertap, pcap, directory):
    for variant, path in impaired_captures(pcap, directory, SNMP):
        db = aftertap.dissected(path, variant[:-5])
        for protocol, condition in WRONG.items():
            wrong = list(aftertap.rows(db, "summary", f"protocol ="
                                       f" '{protocol}' AND has_request AND"
                                       f" has_response AND {condition}"))
            if wrong:
                failures.check(f"{variant}: wrong pairs of {protocol}", wrong,
                               [])
        calls = len(list(aftertap.rows(
            db, "id")))
        failures.that(f"{variant}: calls", calls > 40, calls)


def main(binary):
    need_root()
    need("snmpd", "snmpwalk", "freeradius", "radclient", "chronyd", "rsyslogd",
         "logger", "dnsmasq", "dhclient", "freeDiameterd", "openssl",
         "tcpdump", "ip", "ethtool", "tshark", "ss")
    failures = Failures()
    with workspace() as directory:
        pcap = os.path.join(directory, "all.pcap")
        with Namespace("at-datagrams") as space:
            snmp_start(space, directory)
            radius_start(space, directory)
            ntp_start(space, directory)
            log = syslog_start(space, directory)
            recorder = space.record(pcap, "udp or tcp")
            said = snmp_talk(space)
            radius_talk(space)
            syslog_talk(space, log)
            ntp_talk(space, directory)
            diameter_talk(space, directory)
            space.stop(recorder)
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        db = aftertap.dissected(pcap, "truth")
        snmp_check(failures, aftertap, db, pcap, said)
        radius_check(failures, aftertap, db, pcap)
        ntp_check(failures, aftertap, db, pcap)
        syslog_check(failures, aftertap, db, log)
        diameter_check(failures, aftertap, db, pcap)
        impaired(failures, aftertap, pcap, directory)
        dhcp_check(failures, aftertap, *dhcp_record(directory))
    failures.exit()


if __name__ == "__main__":
    main(sys.argv[1])
