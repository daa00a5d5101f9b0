"""Prints the fields of reports that docs/report.md does not name in their section, and those it gives a row that no
report has.

report_fields.py REPORT.md REPORT.json...
"""

import json
import re
import sys

SECTIONS = ("kernels", "groups", "stages", "hot_loops_per_step_of_k", "resources")
TABLE = re.compile(r"^\| (`.*?) \|", re.MULTILINE)
WORD = re.compile(r"`(\w+)`")


def fields(value, section):
    """(section, field) of all that the value holds; what a request overrides goes by the options' names."""
    if isinstance(value, list):
        for item in value:
            yield from fields(item, section)
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield section, name
            if name != "overrides":
                yield from fields(inner, name if name in SECTIONS else section)


page, *reports = sys.argv[1:]
with open(page) as file:
    texts = dict(re.findall(r"^## `?([\w ]+)`?\n((?:(?!## ).*\n)*)", file.read(), re.MULTILINE))
texts["program"] = texts.pop("Of the program")
told = set()
for report in reports:
    with open(report) as file:
        told.update(fields(json.load(file), "program"))
named = {(section, name) for section, text in texts.items() for name in WORD.findall(text)}
rows = {(section, name) for section, text in texts.items() for row in TABLE.findall(text) for name in WORD.findall(row)}
for section, name in sorted(told - named):
    print(f"{page} does not name `{name}` of {section}")
for section, name in sorted(rows - told):
    print(f"no report has `{name}` of {section}")
sys.exit(bool(told - named or rows - told))
