"""Writes the table of values in the chart's README from the comments of values.yaml; --check only compares."""

import json
import pathlib
import re
import sys

import yaml

CHART = pathlib.Path(__file__).resolve().parents[2] / "charts" / "gomemlimit"
BEGIN, END = "<!-- values: begin -->", "<!-- values: end -->"


def described(text):
    """Dotted path -> description, for every `# --` comment; its lines go on until the key."""
    found, comment, stack = {}, [], []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("# -- "):
            comment = [stripped.removeprefix("# -- ")]
        elif stripped.startswith("#") and comment:
            comment.append(stripped.removeprefix("#").strip())
        elif key := re.match(r"( *)([A-Za-z][\w./-]*):", line):
            indent = len(key[1])
            stack = [(depth, name) for depth, name in stack if depth < indent] + [(indent, key[2])]
            if comment:
                found[".".join(name for _, name in stack)] = " ".join(comment)
            comment = []
        else:
            comment = []
    return found


def default(values, path):
    for key in path.split("."):
        values = values[key]
    return json.dumps(values, ensure_ascii=False)


def table(chart):
    text = (chart / "values.yaml").read_text()
    values = yaml.safe_load(text)
    rows = [
        f"| `{path}` | `{default(values, path)}` | {description} |"
        for path, description in described(text).items()
    ]
    return "\n".join(["| Value | Default | Meaning |", "|---|---|---|", *rows])


def rewritten(chart):
    readme = (chart / "README.md").read_text()
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    return readme, f"{before}{BEGIN}\n{table(chart)}\n{END}{after}"


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["--check"]):
        raise SystemExit(__doc__)
    old, new = rewritten(CHART)
    if sys.argv[1:] == ["--check"]:
        raise SystemExit("charts/gomemlimit/README.md is not current: python3 tests/chart/values_table.py" if old != new else 0)
    (CHART / "README.md").write_text(new)
