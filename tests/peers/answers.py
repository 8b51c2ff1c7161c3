"""What real clients made of every answer, against what their profiles say.

`answers.py cases PORTS OUT`: the cases as clients read them, from the addresses of `serve`.
`answers.py judge CLIENT PROFILE OUTCOMES VISITS SECONDS`: a line for the table, and each difference; exit code 1 if one of
them is not declared in differences.csv.

What a profile says is its rows in tests/data/clients.csv, to which tests/integration/clients.rs holds the simulation."""

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


def rows(path, **of):
    with open(os.path.join(HERE, path), newline="") as opened:
        return {row["case"]: row for row in csv.DictReader(opened) if all(row[key] == of[key] for key in of)}


def judge(client, profile, outcomes, visits, seconds):
    with open(outcomes) as opened:
        outcomes = dict(line.split() for line in opened if line.strip())
    with open(visits) as opened:
        visits = json.load(opened)
    expected, declared = rows("../data/clients.csv", profile=profile), rows("differences.csv", client=client)
    asked = [name.removeprefix("case-").removesuffix("-0") for name in visits if name.startswith("case-")]
    undeclared, differences, same = 0, [], 0
    for case in asked:
        row = expected[case]
        waited = float(row["seconds"]) > seconds
        want = ("pending" if waited else row["outcome"], int(row["requests"]), int(row["connections"]))
        of_case = [visits[f"{kind}-{case}-0"] for kind in ("case", "alt") if f"{kind}-{case}-0" in visits]
        sums = [sum(visit[what] for visit in of_case) for what in ("requests", "connections")]
        got = (outcomes.get(case, "nothing"), *sums)
        if got == want:
            same += 1
            continue
        why = declared.get(case, {}).get("why") or row["unlike"]
        undeclared += not why
        differences.append(
            f"  {client} {case}: {got[0]}, {got[1]} requests on {got[2]} connections; its profile: {want[0]}, "
            f"{want[1]} on {want[2]} ({'declared: ' + why if why else 'NOT DECLARED'})"
        )
    print(f"{client:<20} {same:>3} of {len(asked)} answers taken as its profile says, {len(differences)} otherwise")
    print("\n".join(differences), end="\n" if differences else "")
    sys.exit(1 if undeclared else 0)


if __name__ == "__main__":
    if sys.argv[1] == "cases":
        cases(*sys.argv[2:])
    else:
        judge(*sys.argv[2:6], float(sys.argv[6]))
