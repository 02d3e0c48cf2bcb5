"""Rendering the chart, reading YAML strictly, and counting checks."""

import concurrent.futures
import copy
import dataclasses
import functools
import json
import os
import pathlib
import re
import subprocess
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]


class StrictLoader(yaml.SafeLoader):
    """Refuses a key that occurs twice, which YAML forbids and PyYAML takes for the last one."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} occurs twice", node.start_mark)
        return super().construct_mapping(node, deep)


# A plain `=` in definitions of the operators.
StrictLoader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)


def documents(text):
    return [document for document in yaml.load_all(text, StrictLoader) if document is not None]


def load(path):
    return yaml.load(pathlib.Path(path).read_text(), StrictLoader)


class Checks:
    """Counts what holds and collects what does not."""

    def __init__(self):
        self.passed = 0
        self.failures = []

    def check(self, holds, message):
        if holds:
            self.passed += 1
        else:
            self.failures.append(message)
            print(f"FAILED: {message}", flush=True)
        return bool(holds)

    def equal(self, actual, expected, message):
        return self.check(actual == expected, f"{message}: {actual!r} is not {expected!r}")


class RenderError(Exception):
    pass


@dataclasses.dataclass
class Chart:
    """A chart folder, beside the rest of the project."""

    path: pathlib.Path

    def ci_files(self):
        return sorted((self.path / "ci").glob("*-values.yaml"))

    def read(self, name):
        return (self.path / name).read_text()

    def template(self, *arguments, values=None, release="gomemlimit", namespace="gomemlimit"):
        """What `helm template` prints. Raises RenderError with what it says."""
        command = ["helm", "template", release, str(self.path), "--namespace", namespace, *map(str, arguments)]
        return run_helm(command, values)

    def objects(self, *arguments, **options):
        return documents(self.template(*arguments, **options))

    @functools.cached_property
    def texts(self):
        """What `helm template` prints, by the name of the ci file."""
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            rendered = pool.map(lambda path: self.template("-f", path), self.ci_files())
            return {path.name.removesuffix("-values.yaml"): text for path, text in zip(self.ci_files(), rendered)}

    @functools.cached_property
    def rendered(self):
        """Objects by the name of the ci file."""
        return {name: documents(text) for name, text in self.texts.items()}

    @functools.cached_property
    def defaults(self):
        return load(self.path / "values.yaml")


def run_helm(command, values=None):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        if values is not None:
            json.dump(values, file)
            file.flush()
            command = [*command, "-f", file.name]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RenderError(done.stderr)
    return done.stdout


def forms(schema):
    """Definitions of values.schema.json with a pattern. `if` has it, as helm shows the pattern of a value that does not
    match; `else` has what helm shows instead, words that end with examples."""
    found = {}
    for name, definition in schema["definitions"].items():
        if "if" in definition:
            other = definition["else"]
            found[name] = {**definition, "else": get(schema, other["$ref"].removeprefix("#/").split("/")) if "$ref" in other else other}
    return found


def leaves(values, schema_free, path=()):
    """Paths of the values that a user sets: everything but maps with fixed keys."""
    for key, value in values.items():
        here = (*path, key)
        if isinstance(value, dict) and value and ".".join(here) not in schema_free:
            yield from leaves(value, schema_free, here)
        else:
            yield here


def get(values, path):
    for key in path:
        if not isinstance(values, dict) or key not in values:
            return None
        values = values[key]
    return values


def without(values, path):
    values = copy.deepcopy(values)
    parent = get(values, path[:-1])
    del parent[path[-1]]
    return values


def pod_specs(objects):
    """(name, pod metadata, pod spec) of everything that makes pods."""
    for item in objects:
        name = f"{item['kind']} {item['metadata']['name']}"
        if item["kind"] == "Pod":
            yield name, item["metadata"], item["spec"]
        elif item["kind"] == "Deployment":
            template = item["spec"]["template"]
            yield name, template["metadata"], template["spec"]


def one(objects, kind):
    found = [item for item in objects if item["kind"] == kind]
    if len(found) != 1:
        raise AssertionError(f"{len(found)} objects of kind {kind}")
    return found[0]


def minimum_version(path):
    """A ci file says in its first comment when it needs a newer Kubernetes than the chart."""
    found = re.search(r"Kubernetes 1\.(\d+) and later", path.read_text().splitlines()[0])
    return int(found[1]) if found else 28


def environment(name):
    value = os.environ.get(name)
    if not value:
        raise SystemExit(f"{name} is not set; start tests/chart/run")
    return pathlib.Path(value)
