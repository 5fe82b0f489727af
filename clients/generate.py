#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes clients/config/ from schema/clients.json, the table that `aftertap
install` and `aftertap mcp-config` use.

usage: generate.py [--check]
"""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TABLE = os.path.join(HERE, "..", "schema", "clients.json")
CONFIG = os.path.join(HERE, "config")

COMMAND = "aftertap"
ARGS = ["serve"]
URL = "http://127.0.0.1:8077/mcp"
TOKEN = "AFTERTAP_TOKEN"


def fill(template):
    if isinstance(template, dict):
        return {key: fill(value) for key, value in template.items()}
    if isinstance(template, list):
        return [fill(value) for value in template]
    if template == "{args}":
        return ARGS
    for name, value in (("{command}", COMMAND), ("{url}", URL),
                        ("{token}", TOKEN)):
        template = template.replace(name, value)
    return template


def render(client, kind):
    entry = fill(client[kind])
    if client["format"] == "toml":
        lines = [f"[{client['servers']}.aftertap]"]
        lines += [f"{key} = {json.dumps(value)}"
                  for key, value in entry.items()]
        return "\n".join(lines) + "\n"
    document = {client["servers"]: {"aftertap": entry}}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def files():
    """(name, text) of all."""
    with open(TABLE, encoding="utf-8") as file:
        table = json.load(file)["clients"]
    for client in table:
        ending = "toml" if client["format"] == "toml" else "json"
        yield f"{client['name']}.{ending}", render(client, "stdio")
        yield f"{client['name']}-http.{ending}", render(client, "http_token")


def check():
    wanted = dict(files())
    stale = sorted(set(os.listdir(CONFIG)) ^ set(wanted))
    for name, text in wanted.items():
        path = os.path.join(CONFIG, name)
        if not os.path.exists(path):
            continue
        with open(path, encoding="utf-8") as file:
            if file.read() != text:
                stale.append(name)
    if stale:
        sys.exit("not as clients/generate.py writes them: "
                 + ", ".join(stale))


def main(argv):
    if argv == ["--check"]:
        check()
        return
    os.makedirs(CONFIG, exist_ok=True)
    for name, text in files():
        with open(os.path.join(CONFIG, name), "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
