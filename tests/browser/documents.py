"""Parses what `shakedown report --format` made of a run: documents.py JUNIT CSV OPENMETRICS."""

import csv
import sys
import xml.etree.ElementTree as ElementTree

junit, table, openmetrics = sys.argv[1:]

suites = ElementTree.parse(junit).getroot()
cases = suites.findall("./testsuite/testcase")
assert suites.tag == "testsuites" and int(suites.get("tests")) == len(cases) > 1, suites.attrib
failed = [case for case in cases if case.find("failure") is not None]
assert int(suites.get("failures")) == len(failed), suites.attrib
assert all(case.get("name") and case.get("classname") for case in cases)
print(f"junit: {len(cases)} test cases, {len(failed)} failed")

with open(table, newline="", encoding="utf-8") as file:
    rows = list(csv.DictReader(file))
assert len(rows) > 50 and set(rows[0]) == {"metric", "value"}, rows[:1]
assert len({row["metric"] for row in rows}) == len(rows), "a metric is there twice"
assert all(row["value"] == "" or float(row["value"]) >= 0 for row in rows)
print(f"csv: {len(rows)} metrics")

try:
    from prometheus_client.openmetrics import parser
except ImportError:
    print("openmetrics: SKIPPED, there is no prometheus_client")
else:
    with open(openmetrics, encoding="utf-8") as file:
        families = list(parser.text_fd_to_metric_families(file))
    samples = [sample for family in families for sample in family.samples]
    assert len(families) > 6 and len(samples) > 500, (len(families), len(samples))
    assert all(sample.timestamp is not None for sample in samples)
    print(f"openmetrics: {len(samples)} samples in {len(families)} families")
