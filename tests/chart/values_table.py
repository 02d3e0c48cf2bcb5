"""Writes what is made of values.yaml: the table in the chart's README, and files/defaults.json for the templates, which
cannot read values.yaml. --check only compares."""

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


def documented(chart):
    """(dotted path, default, description) of every value."""
    text = (chart / "values.yaml").read_text()
    for path, description in described(text).items():
        value = yaml.safe_load(text)
        for key in path.split("."):
            value = value[key]
        yield path, value, description


def table(chart):
    rows = [f"| `{path}` | `{json.dumps(value, ensure_ascii=False)}` | {description} |" for path, value, description in documented(chart)]
    return "\n".join(["| Value | Default | Meaning |", "|---|---|---|", *rows])


def defaults(chart):
    # Settings have an effect in every installation, so no template asks for their defaults.
    known = {path: value for path, value, _ in documented(chart) if not path.startswith("settings.")}
    return json.dumps(known, indent=1) + "\n"


def rewritten(chart):
    """(file, its text, what it should be)"""
    readme = (chart / "README.md").read_text()
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    yield chart / "README.md", readme, f"{before}{BEGIN}\n{table(chart)}\n{END}{after}"
    file = chart / "files" / "defaults.json"
    yield file, file.read_text() if file.exists() else "", defaults(chart)


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["--check"]):
        raise SystemExit(__doc__)
    for path, old, new in rewritten(CHART):
        if old != new and sys.argv[1:]:
            raise SystemExit(f"{path.name} is not current: python3 tests/chart/values_table.py")
        path.write_text(new)
