"""Every value is set by some ci file, and changes what is rendered, is refused, or is named by the notes; `null` breaks none."""

import concurrent.futures
import copy
import re

import values_table
from support import RenderError, get, leaves, load, run_helm

# Values that are not for the templates.
WITHOUT_EFFECT = {"global"}
# What takes the place of another value, and is often set beside it.
BESIDE = {("digest", "image.tag")}
# What a value must never be without effect in silence, nor with a note only.
PROTECTING = ("tls.clientAuth.configMap", "tls.clientAuth.secret", "tls.clientAuth.names", "tls.selfManaged.keeper", "webhook.path", "webhook.otherPaths", "networkPolicy.")
# … but for what is not needed: no pod talks to anything.
HARMLESS = "where no pod talks to the API server: nothing is let out"
PEERS = [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]
# Installations, in which values have an effect that have none in others.
SITUATIONS = {
    "default": {},
    "separate keeper, all of monitoring": {
        "serviceAccount": {"create": False, "name": "own"},
        "tls": {"selfManaged": {"keeper": "separate", "separate": {"serviceAccountName": "keepers"}}, "clientAuth": {"configMap": "callers", "names": ["a"]}},
        "coverage": {"enabled": True, "serviceAccountName": "auditors"},
        "networkPolicy": {"enabled": True, "metricsFrom": PEERS},
        "metrics": {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}, "dashboard": {"enabled": True}},
    },
    "cert-manager": {"tls": {"mode": "cert-manager"}, "namespaceSettings": False, "networkPolicy": {"enabled": True, "metricsFrom": PEERS}, "autoscaling": {"enabled": True}},
    "cert-manager, an issuer": {
        "tls": {"mode": "cert-manager", "certManager": {"issuerRef": {"name": "a"}, "renewBefore": "1h"}},
        "server": {"port": 10270},
        "replicaCount": 1,
        "metrics": {"podMonitor": {"enabled": True}},
        "webhook": {"namespaceSelector": {"matchLabels": {"a": "b"}}},
    },
    "existing secret, a digest": {
        "tls": {"mode": "existing-secret", "existingSecret": {"name": "a"}},
        "webhook": {"annotations": {"inject": "a"}},
        "image": {"digest": f"sha256:{'0' * 64}"},
    },
    "policy": {"engine": "policy"},
    "policy and coverage": {"engine": "policy", "coverage": {"enabled": True}, "networkPolicy": {"enabled": True, "metricsFrom": PEERS}},
}


def run(checks, chart):
    documented = values_table.described(chart.read("values.yaml"))
    # A map is one value where it is described as one.
    whole = {path for path in documented if isinstance(get(chart.defaults, path.split(".")), dict)}
    paths = list(leaves(chart.defaults, whole))
    files = [load(path) or {} for path in chart.ci_files()]
    examples = {}
    for path in paths:
        name = ".".join(path)
        checks.check(any(name == at or name.startswith(f"{at}.") for at in documented), f"{name} has no `# --` comment")
        values = [get(file, path) for file in files]
        examples[path] = [value for value in values if value not in (None, get(chart.defaults, path))]
        checks.check(examples[path] or name in WITHOUT_EFFECT, f"{name} is set by no ci file")

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        without = dict(zip(SITUATIONS, pool.map(lambda values: installed(chart, values), SITUATIONS.values())))
        # A value that takes something away takes nothing away where there is none.
        first = {path: values[0] for path, values in examples.items() if values and values[0]}
        noted = dict(zip(SITUATIONS, pool.map(lambda situation: noted_together(checks, chart, without[situation], situation, first), SITUATIONS)))
        cases = [(situation, path, value) for situation in SITUATIONS for path, value in first.items() if ".".join(path) not in noted[situation]]
        effects = pool.map(lambda case: effect(chart, without[case[0]], *case), cases)
        matters = set(WITHOUT_EFFECT)
        for (situation, path, _), (kind, said) in zip(cases, effects):
            name = ".".join(path)
            matters |= {name} if kind == "rendered" else set()
            is_beside = any(get(SITUATIONS[situation], ("image", key)) and name == other for key, other in BESIDE)
            checks.check(kind is not None or is_beside or name in WITHOUT_EFFECT, f"{situation}: {name} changes nothing, and nobody says so")
            is_noted = kind == "noted" and name.startswith(PROTECTING) and HARMLESS not in said
            checks.check(not is_noted, f"{situation}: {name} protects nothing, and is not refused")
        for name in (".".join(path) for path in paths if any(examples[path])):
            checks.check(name in matters, f"{name} changes nothing")

        for path, said in zip(paths, pool.map(lambda path: rendered_with_null(chart, path), paths)):
            checks.check(said is None, f"{'.'.join(path)}: null: {said}")


def noted_together(checks, chart, without, situation, examples):
    """Names of many values that are noted and change nothing, at once: one call of helm for each would take too long."""
    # None of these decides about others, or is refused.
    alone = ("engine", "tls.", "webhook.", "networkPolicy.", "serviceAccount.", "settings.", "policy.", "topologySpread", "hostNetwork", "coverage.serviceAccountName", "podDisruptionBudget.")
    together = {".".join(path): path for path in examples if not ".".join(path).startswith(alone) and path[-1] != "enabled"}
    values = copy.deepcopy(SITUATIONS[situation])
    for path in together.values():
        put(values, path, examples[path])
    noted = named(installed(chart, values)[1]) & set(together)
    values = copy.deepcopy(SITUATIONS[situation])
    for name in noted:
        put(values, together[name], examples[together[name]])
    checks.check(installed(chart, values)[0] == without[0], f"{situation}: some of {sorted(noted)} have an effect, but are named by the notes")
    return noted


def effect(chart, without, situation, path, value):
    """The effect of a value: "rendered", "refused", "noted" or None; and what was said."""
    name = ".".join(path)
    values = copy.deepcopy(SITUATIONS[situation])
    if get(values, path) == value:
        return "rendered", ""
    put(values, path, value)
    try:
        manifest, notes = installed(chart, values)
    except RenderError as error:
        return ("refused" if name.removesuffix(".enabled") in str(error) else None), str(error)
    if manifest != without[0]:
        return ("rendered" if name not in named(notes) else None), "named by the notes, but has an effect"
    return ("noted" if name in named(notes) else None), notes


def named(notes):
    """Values that the notes call without effect."""
    return {name for names in re.findall(r"^NOTE: (.+): no effect ", notes, re.M) for name in names.split(", ")}


def put(values, path, value):
    for key in path[:-1]:
        values = values.setdefault(key, {})
    values[path[-1]] = value


def installed(chart, values):
    """The manifest and the notes, which `helm template` does not print."""
    command = ["helm", "install", "gomemlimit", str(chart.path), "--dry-run=client", "--namespace", "gomemlimit"]
    manifest, _, notes = run_helm(command, values).partition("\nHOOKS:")[2].partition("\nNOTES:")
    return manifest, notes


def rendered_with_null(chart, path):
    """Helm's way to take a default away: rendered, or refused by the schema. Returns what else was said."""
    values = {"metrics": {"prometheusRule": {"enabled": True}, "dashboard": {"enabled": True}}, "webhook": {"podOptIn": {"enabled": True}}, "coverage": {"enabled": True}}
    put(values, path, None)
    try:
        # The notes are rendered by `helm install` only.
        done = run_helm(["helm", "install", "gomemlimit", str(chart.path), "--dry-run=client", "--namespace", "gomemlimit"], values)
    except RenderError as error:
        return None if f"missing property '{path[-1]}'" in str(error) else str(error)
    # Keys of JSON, as in the dashboard, are quoted.
    return "rendered as null" if re.search(r"^ *(- )?([\w./-]+: )?null$", done, re.M) else None
