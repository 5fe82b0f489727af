# SPDX-License-Identifier: Apache-2.0
"""dovecot with one mailbox, for the tests of POP3 and IMAP."""
import os
import pwd
import subprocess

USER, SECRET = "alice", "open-sesame-7"

CONFIG = """
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
protocols = {protocol}
listen = 127.0.0.1
ssl = yes
ssl_cert = <{dir}/tls.crt
ssl_key = <{dir}/tls.key
disable_plaintext_auth = no
auth_mechanisms = plain login
first_valid_uid = 1
mail_location = maildir:{dir}/mail
passdb {{
  driver = static
  args = password={secret}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={dir}/mail
}}
service {protocol}-login {{
  inet_listener {protocol} {{
    port = {port}
  }}
  inet_listener {protocol}s {{
    port = 0
  }}
}}
"""


def mail(number):
    """The mail of a number, from 1 on."""
    return (f"Subject: mail {number}\r\n\r\nthis is mail {number}\r\n"
            f"{'.dots and lines' + chr(13) + chr(10)}" * (number % 50 + 1))


def start(space, directory, protocol, port, mails):
    """Runs dovecot in a namespace, with so many mails in its inbox."""
    new = os.path.join(directory, "mail", "new")
    os.makedirs(new)
    os.chmod(directory, 0o755)
    for number in range(1, mails + 1):
        with open(os.path.join(new, f"{number:06d}.x"), "w", newline="",
                  encoding="utf-8") as file:
            file.write(mail(number))
    nobody = pwd.getpwnam("nobody")
    for path, _, files in os.walk(os.path.join(directory, "mail")):
        for each in (path, *(os.path.join(path, f) for f in files)):
            os.chown(each, nobody.pw_uid, nobody.pw_gid)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                    "-keyout", directory + "/tls.key", "-out",
                    directory + "/tls.crt", "-subj", "/CN=mx.test"],
                   check=True, stderr=subprocess.DEVNULL)
    config = os.path.join(directory, "dovecot.conf")
    with open(config, "w", encoding="utf-8") as file:
        file.write(CONFIG.format(dir=directory, secret=SECRET, port=port,
                                 protocol=protocol))
    space.start("dovecot", "-F", "-c", config)
    space.wait_port(port)
