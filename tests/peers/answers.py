"""What real clients made of every answer, against what was measured before.

`answers.py cases PORTS OUT`: the cases as clients read them, from the addresses of `serve`.
`answers.py judge CLIENT OUTCOMES VISITS SECONDS`: a line for the table, and each difference; exit code 1 if one of
them is not declared in differences.csv.
`answers.py measure CLIENT OUTCOMES VISITS SECONDS`: writes this client's rows of the table anew.

The table is crates/shakedown-scenario/src/profile/measured.csv, to which tests/integration/clients.rs holds the simulation. A
client that tries again by itself takes as many requests as the time allows: `many`, or exactly one (or none) where it never
asked the first server again."""

import csv
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
USERINFO = ("401-basic-userinfo", "401-digest-userinfo", "407")
HEADER = ("307-althost-with-headers", "307-altport-with-headers", "307-rel-with-headers")


def cases(ports, out):
    with open(ports) as opened:
        addresses = json.load(opened)
    found = []
    for name, address in addresses.items():
        if not name.startswith("case-"):
            continue
        case = name.removeprefix("case-").removesuffix("-0")
        user = "aladdin:open%20sesame@" if case in USERINFO else ""
        credentials = "userinfo" if user else "header" if case in HEADER else None
        found.append({"case": case, "url": f"ws://{user}{address}/", "credentials": credentials})
    with open(out, "w") as opened:
        json.dump(found, opened, indent=1)


TABLE = os.path.join(HERE, "../../crates/shakedown-scenario/src/profile/measured.csv")


def rows(path, **of):
    with open(path, newline="") as opened:
        return {row["case"]: row for row in csv.DictReader(opened) if all(row[key] == of[key] for key in of)}


def measured(client, outcomes, visits, seconds):
    """The client's version, and how each case came out, with its seconds."""
    with open(outcomes) as opened:
        said = dict(line.rstrip().split(" ", 1) for line in opened if line.strip())
    with open(visits) as opened:
        visits = json.load(opened)
    version, found, took_seconds = said.pop("version", "unknown"), {}, {}
    for name in visits:
        if not name.startswith("case-"):
            continue
        case = name.removeprefix("case-").removesuffix("-0")
        outcome, took = said.get(case, "nothing 0").split()
        of_case = [visits[f"{kind}-{case}-0"] for kind in ("case", "alt") if f"{kind}-{case}-0" in visits]
        requests, connections = (sum(visit[what] for visit in of_case) for what in ("requests", "connections"))
        if client in RETRYING and outcome == "pending":
            first = visits[name]
            requests, connections = (str(n) if n < 2 else "many" for n in (first["requests"], first["connections"]))
        found[case] = {"outcome": outcome, "requests": str(requests), "connections": str(connections)}
        # All are asked at once: what takes less is the machine's time, not the client's.
        took_seconds[case] = f"{float(took):g}" if float(took) > 9 else "0"
    return version, found, took_seconds


COUNTED = ("outcome", "requests", "connections")
RETRYING = ("websockets-iterator", "websocket-client-app")


def judge(client, outcomes, visits, seconds):
    version, found, _ = measured(client, outcomes, visits, seconds)
    expected = rows(TABLE, profile=client)
    declared = rows(os.path.join(HERE, "differences.csv"), client=client)
    undeclared, differences, same, versions = 0, [], 0, set()
    for case, got in found.items():
        row = expected[case]
        versions.add(row["version"])
        want = {key: row[key] for key in COUNTED}
        if float(row["seconds"]) > seconds:
            want["outcome"] = "pending"
        # Who tries again at random times may have done so once only in the shorter time.
        if client in RETRYING and got["outcome"] == "pending" and float(row["seconds"]) > seconds:
            want = {key: got[key] if want[key] == "many" and got[key] == "1" else want[key] for key in want}
        if got == want:
            same += 1
            continue
        why = declared.get(case, {}).get("why") or row["unlike"]
        undeclared += not why
        of = "{outcome}, {requests} requests on {connections} connections".format
        differences.append(
            f"  {client} {case}: {of(**got)}; measured before: {of(**want)} "
            f"({'declared: ' + why if why else 'NOT DECLARED'})"
        )
    print(f"{client:<20} {same:>3} of {len(found)} answers taken as measured before, {len(differences)} otherwise")
    print("\n".join(differences), end="\n" if differences else "")
    if versions != {version}:
        print(f"  {client} is version {version}; measured before: {', '.join(sorted(versions))}")
    sys.exit(1 if undeclared else 0)


def measure(client, outcomes, visits, seconds):
    version, found, took = measured(client, outcomes, visits, seconds)
    with open(TABLE, newline="") as opened:
        reader = csv.DictReader(opened)
        names, table = reader.fieldnames, {(row["profile"], row["case"]): row for row in reader}
    for case, got in found.items():
        row = table.setdefault((client, case), dict.fromkeys(names, ""))
        was = {key: row[key] for key in COUNTED}
        # What credentials were sent is not counted by the server, only that they were taken.
        schemes = " ".join(["-"] * int(got["requests"])) if got["requests"].isdigit() else ""
        if was["requests"] != got["requests"]:
            row["authorization"] = "" if case in USERINFO + HEADER else schemes
        # What was waited for longer before is known better.
        if got["outcome"] != "pending" or float(row["seconds"] or 0) <= seconds:
            row.update(got, seconds=took[case], version=version)
        row.update(profile=client, case=case)
    with open(TABLE, "w", newline="") as opened:
        writer = csv.DictWriter(opened, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table[key] for key in sorted(table))
    print(f"{client:<20} {len(found)} cases measured, version {version}")


if __name__ == "__main__":
    if sys.argv[1] == "cases":
        cases(*sys.argv[2:])
    else:
        {"judge": judge, "measure": measure}[sys.argv[1]](*sys.argv[2:5], float(sys.argv[5]))
