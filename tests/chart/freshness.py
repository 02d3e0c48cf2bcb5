"""What was made from the chart is current, and the chart is in step with the program."""

import copy
import json
import os
import re
import subprocess

import jsonschema
import yaml

import selftest
import values_table
from support import ROOT, RenderError, documents, forms, get, leaves, load, one, pod_specs

# In the schema but not in values.yaml: a place for other charts' conditions.
SCHEMA_ONLY = {"enabled"}
# Flags that --help does not show.
HIDDEN = {"--ca-publish-delay", "--certificate-tick", "--refresh-delay"}


def run(checks, chart):
    for path, text, current in values_table.rewritten(chart.path):
        checks.check(text == current, f"{path.name} is not current: python3 tests/chart/values_table.py")
    rendered = subprocess.run([str(ROOT / "deploy" / "render"), "--chart", str(chart.path), "--output", "-"], capture_output=True, text=True)
    checks.check(rendered.returncode == 0, f"deploy/render: {rendered.stderr}")
    manifest = (ROOT / "deploy" / "install.yaml").read_text()
    checks.check(rendered.stdout == manifest, "deploy/install.yaml is not current: deploy/render")
    plain(checks, chart, manifest)
    schema(checks, chart)
    words(checks, chart)
    flags(checks, chart)
    versions(checks, chart)
    texts(checks, chart)
    policies(checks, chart)
    lives(checks, chart)
    # The self-test takes minutes and is not run each time; what it changes must be there.
    for mutant in selftest.mutants():
        checks.check(mutant["from"] in (ROOT / "charts" / "gomemlimit" / mutant["file"]).read_text(), f"mutants.yaml: {mutant['from']!r} is not in {mutant['file']}")


def plain(checks, chart, manifest):
    """The manifest for people without Helm is the default install in a namespace of its own."""
    items = documents(manifest)
    namespace = items[0]
    checks.equal((namespace["kind"], namespace["metadata"]["name"]), ("Namespace", "gomemlimit"), "the namespace comes first")
    checks.equal(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted", "Pod Security")
    ours = {(item["kind"], item["metadata"]["name"]) for item in items[1:]}
    default = {(item["kind"], item["metadata"]["name"]) for item in chart.rendered["default"] if "helm.sh/hook" not in item["metadata"].get("annotations", {})}
    checks.equal(ours, default, "objects of deploy/install.yaml")
    checks.check("managed-by" not in manifest and "helm.sh/" not in manifest, "nothing says that Helm manages it")


def schema(checks, chart):
    """values.yaml and values.schema.json know the same values."""
    definition = load(chart.path / "values.schema.json")

    def resolve(part):
        return get(definition, part["$ref"].removeprefix("#/").split("/")) if "$ref" in part else part

    def walk(values, part, path):
        part = resolve(part)
        fixed = part.get("properties")
        name = ".".join(path) or "values"
        if fixed is None:
            return
        checks.equal(part.get("additionalProperties"), False, f"{name}: the schema refuses unknown keys")
        for key, value in values.items():
            if checks.check(key in fixed, f"{name}.{key} is not in the schema") and isinstance(value, dict):
                walk(value, fixed[key], (*path, key))
        if values:
            optional = set(fixed) - set(values)
            expected = SCHEMA_ONLY if not path else optional if path[-1].endswith("Probe") or path[-1] == "resources" else set()
            checks.equal(optional, expected, f"{name}: values in the schema only")

    walk(chart.defaults, definition, ())
    documented = values_table.described(chart.read("values.yaml"))
    for path in leaves(chart.defaults, set(documented)):
        name = ".".join(path)
        checks.check(any(name == at or name.startswith(f"{at}.") for at in documented), f"{name} is not documented")


def words(checks, chart):
    """A value of a wrong form is refused with words, whose examples have the right form."""
    definition = load(chart.path / "values.schema.json")

    def patterns(part):
        for key, child in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
            yield from [child] if key == "pattern" and isinstance(child, str) else patterns(child)

    known = forms(definition)
    checks.equal(list(patterns(definition)), [form["if"]["pattern"] for form in known.values()], "every pattern is in an `if` of a definition")
    for name, form in known.items():
        text = form["else"]["const"]
        valid = jsonschema.Draft7Validator({"$ref": f"#/definitions/{name}", "definitions": definition["definitions"]}).is_valid
        _, _, examples = text.rpartition("such as ")
        for example in examples.split(" or "):
            checks.check(valid(example) or valid(yaml.safe_load(example)), f"{name}: {example} is not accepted")
        # `else` alone would accept them.
        checks.equal(valid(text), jsonschema.Draft7Validator(form["if"]).is_valid(text), f"{name}: the words as a value")


def flags(checks, chart):
    known = {"serve": program_flags("serve") | HIDDEN, "probe": program_flags("probe"), "audit": program_flags("audit"), "certificates": program_flags("certificates") | HIDDEN}
    used = set()
    for name, items in chart.rendered.items():
        for pod, _, spec in pod_specs(items):
            for container in spec["containers"]:
                command, *arguments = container["args"]
                checks.check(command in known, f"{name}: {pod} runs {command}")
                for flag in (argument.split("=")[0] for argument in arguments):
                    used.add(flag)
                    checks.check(flag in known[command], f"{name}: {pod} passes {flag}, which `gomemlimit {command}` does not know")
    for key in settings(chart):
        checks.check(f"--{kebab(key)}" in used, f"settings.{key}: --{kebab(key)} is passed by some ci file")
    for flag in ("--max-bodies", "--tls-secret", "--serving-secret", "--tls-cert", "--namespace-selector", "--ca-file", "--metrics-url", "--policy-file", "--listen", "--interval", "--path", "--client-ca-file", "--client-name", "--client-cert", "--expect-refusal"):
        checks.check(flag in used, f"{flag} is passed by some ci file")


def program_flags(command):
    """Flags of a command: from the program where there is one, from its sources otherwise."""
    if binary := os.environ.get("GOMEMLIMIT_BIN"):
        text = subprocess.run([binary, command, "--help"], capture_output=True, text=True, check=True).stdout
        return set(re.findall(r"--[a-z][a-z-]+", text))
    # The arguments of `serve` are spread over files that it flattens.
    names = {"serve": ["cli/serve.rs", "cli/settings_args.rs", "cli/certificate_args.rs", "logging/mod.rs"], "certificates": ["cli/certificates.rs", "cli/certificate_args.rs", "logging/mod.rs"], "probe": ["cli/probe.rs"], "audit": ["cli/audit/mod.rs", "cli/cluster_args.rs"]}
    table = (ROOT / "crates/core/src/settings/table.rs").read_text()
    found = {f"--{kebab(variant[0].lower() + variant[1:])}" for variant in re.findall(r"^    ([A-Z]\w+), \w+: ", table, re.M)}
    for name in names[command]:
        text = (ROOT / "src" / name).read_text()
        for attributes, field in re.findall(r"#\[arg\((.*?)\)\]\s*(?:pub(?:\(\w+\))? )?(\w+):", text, re.S):
            if named := re.search(r'\blong\b(?:\s*=\s*"([\w-]+)")?', attributes):
                found.add("--" + (named[1] or field.replace("_", "-")))
    return found


def versions(checks, chart):
    metadata = yaml.safe_load(chart.read("Chart.yaml"))
    cargo = re.search(r'^version = "([^"]+)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    checks.equal(metadata["appVersion"], cargo, "appVersion is the version of the program")
    images = yaml.safe_load(metadata["annotations"]["artifacthub.io/images"])
    container = one(chart.rendered["default"], "Deployment")["spec"]["template"]["spec"]["containers"][0]
    checks.equal([image["image"] for image in images], [container["image"]], "image in Chart.yaml")
    image = one(chart.rendered["ha"], "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"]
    checks.check(re.fullmatch(r"registry.example.com:5000/platform/gomemlimit@sha256:\w{64}", image), f"image by digest: {image}")


def texts(checks, chart):
    """Values and files that the documentation names exist."""
    pages = {path: path.read_text() for path in (chart.path / "README.md", ROOT / "deploy" / "README.md", ROOT / "docs" / "alerts.md")}
    tops = set(chart.defaults)
    for path, text in pages.items():
        for name in re.findall(r"`([a-z]\w+(?:\.\w+)+)(?:: [^`]*|=[^`]*)?`", text):
            if name.split(".")[0] in tops:
                free = get(chart.defaults, name.split(".")[:-1]) == {}
                checks.check(get(chart.defaults, name.split(".")) is not None or free, f"{path.name} names {name}, which is no value")
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            checks.check((path.parent / target).exists(), f"{path.name} links to {target}")
    for path in [*(ROOT / "deploy" / "examples").glob("*.yaml"), ROOT / "deploy" / "install.yaml"]:
        checks.check(documents(path.read_text()), f"{path.name} is YAML")
    ci = " ".join(pages.values())
    for path in chart.ci_files():
        checks.check(path.name in ci, f"the chart's README does not mention ci/{path.name}")
    troubleshooting(checks, chart, pages[chart.path / "README.md"])


def troubleshooting(checks, chart, readme):
    """Sentences of the chart that the README explains are really said."""
    said = "".join(path.read_text() for path in chart.path.glob("templates/**/*.*"))
    table = readme.split("## When it says")[1].split("\n## ")[0]
    ours = [cell for cell in re.findall(r"^\| `([^`]+)` \|", table, re.M) if cell.startswith(("tls.", "webhook.", "With hostNetwork", "terminationGrace"))]
    checks.check(len(ours) >= 2, "the README explains sentences of the chart")
    for sentence in ours:
        for part in sentence.split("…"):
            checks.check(part.strip() in said, f"nobody says {part.strip()!r}")


def kebab(key):
    """The name of a setting, of its key in the values."""
    return re.sub("[A-Z]", lambda letter: f"-{letter[0].lower()}", key)


def settings(chart):
    """Key in the values -> an example that is not the default."""
    forms = load(chart.path / "values.schema.json")["properties"]["settings"]["properties"]
    examples = {"#/definitions/ratio": 0.8, "#/definitions/quantity": "64Mi"}
    return {key: examples[form["$ref"]] if "$ref" in form else form["enum"][-1] for key, form in forms.items()}


def policies(checks, chart):
    """The chart installs what `gomemlimit policy` prints; tests/admission_policy/mod.rs says that the file is that."""
    file = documents(chart.read("files/policy.yaml"))
    defaults = settings_of(file[0])
    # Values of a release with `engine: policy`, the flags of `gomemlimit policy` that say the same, and what both make of it.
    cases = [({}, [], {}), ({"namespaceSettings": False}, ["--ignore-namespace-annotations"], {"namespace-annotations": "ignore"})]
    for key, example in settings(chart).items():
        if kebab(key) in defaults:
            cases.append(({"settings": {key: example}}, [f"--{kebab(key)}={example}"], {kebab(key): f"{example}"}))
    for values, flags, changed in cases:
        expected = copy.deepcopy(file)
        of_release(expected, {**defaults, **changed})
        rendered = chart.objects(values={"engine": "policy", **values})
        for item in rendered:
            item["metadata"].pop("labels")
        checks.equal(rendered, expected, f"the policy with {values}")
        if binary := os.environ.get("GOMEMLIMIT_BIN"):
            done = subprocess.run([binary, "policy", *flags], capture_output=True, text=True, check=True)
            printed = documents(done.stdout)
            of_release(printed, settings_of(printed[0]))
            checks.equal(printed, expected, f"gomemlimit policy {' '.join(flags)}")


def lives(checks, chart):
    """The shortest lives of certificates that are rendered are the shortest that the program starts with."""
    def default(file, flag):
        text = (ROOT / "src" / "cli" / file).read_text()
        minutes, seconds = re.search(rf'default_value = "(?:(\d+)m)?(?:(\d+)s)?"[^)]*\)\]\s*{flag}: Duration', text).groups()
        return 60 * int(minutes or 0) + int(seconds or 0)

    publish, tick = default("certificate_args.rs", "ca_publish_delay"), default("certificate_args.rs", "certificate_tick")
    refresh = default("certificates.rs", "refresh_delay")
    # As in LifetimeArgs.
    leaf, replica, separate = 3 * (2 * tick + refresh), 3 * (publish + 2 * tick), 3 * (publish + 2 * tick + refresh)
    page = (ROOT / "docs" / "certificates.md").read_text()
    checks.check(f"`leafDuration` is {leaf // 60}m{leaf % 60}s" in page, f"docs/certificates.md: the least leafDuration, {leaf} s")
    cases = (
        ("separate", {"leafDuration": leaf}, {"leafDuration": leaf - 1}),
        ("separate", {"caDuration": separate, "leafDuration": leaf}, {"caDuration": separate - 1, "leafDuration": leaf}),
        ("replica", {"caDuration": replica, "leafDuration": 60}, {"caDuration": replica - 1, "leafDuration": 60}),
    )
    for keeper, least, less in cases:
        own = lambda lives: {"tls": {"selfManaged": {"keeper": keeper, **{name: f"{seconds}s" for name, seconds in lives.items()}}}}
        checks.check(chart.template(values=own(least)), f"{keeper}: {least}")
        try:
            chart.template(values=own(less))
            checks.check(False, f"rendered, though the program refuses it: {keeper}: {less}")
        except RenderError as error:
            checks.check(" is less than " in str(error), f"{keeper}: {less}: {error}")
    # The program alone decides with flags that change this, as tests do.
    own = {"keeper": "separate", "caDuration": "66s", "leafDuration": "54s", "separate": {"extraArgs": ["--refresh-delay=1s"]}}
    checks.check(chart.template(values={"tls": {"selfManaged": own}}), "flags that tests need")


def settings_of(policy):
    return json.loads(policy["spec"]["variables"][0]["expression"])


def of_release(items, settings):
    """What a release changes: the settings, and that its own namespace is excluded, too."""
    policy, binding = items
    policy["spec"]["variables"][0]["expression"] = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    excluded = binding["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"][1]
    excluded["values"].append("gomemlimit")
