#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The JSON files that the benchmark's server serves, the same every time."""
import json
import os
import random
import sys

ROLES = ["admin", "dev", "ops", "billing", "viewer"]


def user(number):
    return {
        "id": number,
        "name": f"user-{number:06d}",
        "email": f"user{number}@example.test",
        "roles": random.sample(ROLES, 2),
        "created": f"2026-{random.randint(1, 12):02d}-"
                   f"{random.randint(1, 28):02d}T10:00:00Z",
        "score": round(random.random() * 1000, 3),
    }


def main():
    random.seed(7)
    root = os.path.join(sys.argv[1], "api", "v1")
    for folder in ("users", "items"):
        os.makedirs(os.path.join(root, folder), exist_ok=True)
    for i in range(200):
        record = user(i)
        record["tags"] = [f"t{random.randint(0, 9999)}"
                          for _ in range(random.randint(0, 40))]
        with open(f"{root}/users/{i}.json", "w", encoding="ascii") as out:
            json.dump(record, out)
    for i in range(50):
        page = {"page": i, "items": [user(random.randint(0, 99999))
                                     for _ in range(random.randint(5, 60))]}
        with open(f"{root}/items/{i}.json", "w", encoding="ascii") as out:
            json.dump(page, out)


main()
