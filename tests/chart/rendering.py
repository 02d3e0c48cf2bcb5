"""What is rendered, for every ci file: the same twice, whole, and what its situation asks for."""

import concurrent.futures
import subprocess

from support import get, load, one, pod_specs

CLUSTER_WIDE = {
    "ClusterRole",
    "ClusterRoleBinding",
    "MutatingWebhookConfiguration",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
}
PODLESS = {"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"}
HOME_NAMESPACES = {"kube-system", "kube-node-lease", "kube-public", "gomemlimit"}


def run(checks, chart):
    checks.check(len(chart.ci_files()) >= 10, "at least ten situations in ci/")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        again = list(pool.map(lambda path: chart.template("-f", path), chart.ci_files()))
        lint = ["helm", "lint", "--strict", str(chart.path), "-f"]
        lints = list(pool.map(lambda path: subprocess.run([*lint, path], capture_output=True, text=True), chart.ci_files()))
    for path, second, linted in zip(chart.ci_files(), again, lints):
        name = path.name.removesuffix("-values.yaml")
        checks.check(chart.texts[name] == second, f"{name}: rendered twice, differently")
        checks.check(linted.returncode == 0, f"{name}: helm lint --strict: {linted.stdout}{linted.stderr}")
        checks.check(path.read_text().startswith("# "), f"{name}: the file says what it is for")
        objects(checks, name, chart.rendered[name], load(path) or {})
    webhook(checks, chart)
    deployment(checks, chart)
    names(checks, chart)
    coverage(checks, chart)
    network(checks, chart)
    callers(checks, chart)


def network(checks, chart):
    """Who reaches which port, and what pods connect to: everybody or nobody only where that is what is meant."""
    everybody, nobody = None, []
    monitoring = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    control_plane = {"ipBlock": {"cidr": "10.0.0.0/28"}}
    ours = {"app.kubernetes.io/name": "gomemlimit", "app.kubernetes.io/instance": "gomemlimit"}
    tests = {"podSelector": {"matchLabels": {**ours, "app.kubernetes.io/component": "test"}}}
    # Name and component: peers of the webhook's port, those of the metrics, the API server as ports and peers.
    expected = {
        ("network-policy", "webhook"): (everybody, [monitoring, tests], [6443], everybody),
        ("network-policy-no-api", "webhook"): (everybody, [tests], nobody, nobody),
        ("callers", "webhook"): ([control_plane, tests], [tests], [6443], [control_plane]),
        ("sandboxed", "webhook"): (everybody, [tests], [443, 6443], everybody),
        ("coverage", "webhook"): (everybody, [monitoring, tests], [443, 6443], everybody),
        ("coverage", "coverage"): (nobody, [monitoring], [443, 6443], everybody),
        ("keeper", "webhook"): (everybody, [monitoring, tests], nobody, nobody),
        ("keeper", "keeper"): (nobody, [monitoring], [443, 6443], everybody),
        ("ha", "webhook"): (everybody, [monitoring, tests], [443, 6443], everybody),
        ("monitoring", "webhook"): (everybody, [monitoring, tests], [443, 6443], everybody),
        ("fail-closed", "webhook"): (everybody, [tests], [443, 6443], everybody),
        ("gke", "webhook"): (everybody, [tests], [443, 6443], everybody),
        ("aks", "webhook"): (everybody, [tests], [443, 6443], everybody),
    }
    found = {}
    for name, items in chart.rendered.items():
        for spec in (item["spec"] for item in items if item["kind"] == "NetworkPolicy"):
            checks.equal(spec["policyTypes"], ["Ingress", "Egress"], f"{name}: both directions")
            into = {port: peers(rule, "from") for rule in spec["ingress"] for port in ports(rule)}
            out = [(port, peers(rule, "to")) for rule in spec["egress"] for port in ports(rule)]
            component = spec["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
            targets = out[0][1] if out else nobody
            found[name, component] = (into.get("https", nobody), into.get("http-metrics", nobody), [port for port, _ in out], targets)
    checks.equal(found, expected, "network policies")
    untested = chart.objects(values={"networkPolicy": {"enabled": True}, "tests": {"enabled": False}})
    checks.equal([ports(rule) for rule in one(untested, "NetworkPolicy")["spec"]["ingress"]], [["https"]], "metrics that nobody scrapes")
    alone = chart.objects(values={"coverage": {"enabled": True}, "engine": "policy", "networkPolicy": {"enabled": True}})
    checks.equal(one(alone, "NetworkPolicy")["spec"]["ingress"], [], "coverage that nobody scrapes")

    service = lambda items: [port["name"] for port in next(item for item in items if item["kind"] == "Service" and item["metadata"]["name"] == "gomemlimit")["spec"]["ports"]]
    untested = {"tests": {"enabled": False}}
    checks.equal(service(chart.rendered["default"]), ["https", "http-metrics"], "helm test reads metrics through the Service")
    checks.equal(service(chart.objects(values=untested)), ["https"], "nobody reads metrics through the Service")
    for reader in ("serviceMonitor", "podMonitor", "prometheusRule", "dashboard"):
        read = service(chart.objects(values={**untested, "metrics": {reader: {"enabled": True}}}))
        checks.equal(read, ["https", "http-metrics"], f"metrics.{reader} needs the Service's port")


def peers(rule, direction):
    """Peers of a rule; None is everybody, as an empty list would be."""
    return rule.get(direction) or None


def ports(rule):
    return [port["port"] for port in rule["ports"]]


def callers(checks, chart):
    """The path and the client certificate are the same for the API server, the replicas and `helm test`."""
    def parts(items):
        entries = one(items, "MutatingWebhookConfiguration")["webhooks"]
        pod = one(items, "Deployment")["spec"]["template"]["spec"]
        tests = [item["spec"] for item in items if item["metadata"]["name"].endswith("-test-webhook")]
        return {entry["clientConfig"]["service"]["path"] for entry in entries}, pod, tests

    args = lambda spec: spec["containers"][0]["args"]
    volumes = lambda spec: {volume["name"]: volume for volume in spec["volumes"]}
    paths, pod, (test,) = parts(chart.rendered["callers"])
    secret = "/3f9a1c5e7b2d4860a1c3e5f7092b4d6e"
    checks.equal(paths, {secret}, "the path of every entry")
    for flag in (f"--path={secret},/9c41d7e2f0b84a6d8e3b5a7c1f920e46", "--client-ca-file=/client-ca/ca.crt", "--client-name=front-proxy-client,system:auth-proxy"):
        checks.check(flag in args(pod), f"{flag} in {args(pod)}")
    checks.equal(volumes(pod)["client-ca"].get("configMap"), {"name": "gomemlimit-callers", "items": [{"key": "requestheader-client-ca-file", "path": "ca.crt"}]}, "the CA of callers")
    for flag in (f"--url=https://$(GOMEMLIMIT_SERVICE_HOST):443{secret}", "--client-cert=/client/tls.crt", "--client-key=/client/tls.key"):
        checks.check(flag in args(test), f"{flag} in {args(test)}")
    checks.equal(volumes(test)["client"]["secret"], {"secretName": "gomemlimit-test-client"}, "the certificate of helm test")

    _, pod, (test,) = parts(chart.rendered["sandboxed"])
    checks.equal(volumes(pod)["client-ca"].get("secret"), {"secretName": "gomemlimit-callers", "items": [{"key": "tls.crt", "path": "ca.crt"}]}, "the CA of callers in a Secret")
    checks.equal([(spec["runtimeClassName"], spec["hostUsers"]) for spec in (pod, test)], [("gvisor", False)] * 2, "sandboxed pods")
    checks.check("--expect-refusal" in args(test), f"helm test without a certificate expects to be refused: {args(test)}")
    _, pod, _ = parts(chart.objects("--set", f"webhook.path={secret}", "--set", f"webhook.otherPaths={{{secret},/mutate,/mutate}}"))
    checks.check(f"--path={secret},/mutate" in args(pod), f"a path that is named twice is one: {args(pod)}")
    paths, pod, (test,) = parts(chart.rendered["default"])
    checks.equal(paths, {"/mutate"}, "the default path")
    unexpected = [flag for spec in (pod, test) for flag in args(spec) if flag.startswith(("--path", "--client", "--expect"))]
    checks.equal(unexpected, [], "nothing is asked of callers by default")


def coverage(checks, chart):
    """What counts pods: nothing unless it is asked for; never twice at a time; namespaces keep their label."""
    checks.check(all("coverage" not in item["metadata"]["name"] for item in chart.rendered["default"]), "no coverage by default")
    found = {item["kind"]: item for item in chart.rendered["coverage"] if item["metadata"]["name"] == "gomemlimit-coverage"}
    spec = found["Deployment"]["spec"]
    checks.equal((spec["replicas"], spec["strategy"]), (1, {"type": "Recreate"}), "one at a time")
    checks.equal(spec["template"]["spec"]["containers"][0]["args"], ["audit", "--all-namespaces", "--listen=0.0.0.0:8081", "--interval=5m"], "arguments of coverage")
    checks.equal(found["ServiceMonitor"]["spec"]["endpoints"][0]["honorLabels"], True, "ServiceMonitor keeps namespaces")
    monitor = one([item for item in chart.rendered["coverage-policy-engine"] if item["kind"] == "PodMonitor"], "PodMonitor")
    checks.equal(monitor["spec"]["podMetricsEndpoints"][0]["honorLabels"], True, "PodMonitor keeps namespaces")
    checks.check("NetworkPolicy" in found, "coverage has a network policy, too")


def objects(checks, name, items, values):
    seen = [(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]) for item in items]
    checks.equal(len(set(seen)), len(seen), f"{name}: no object twice in {seen}")
    added = values.get("extraObjects", [])
    ours = [item for item in items if not added or "labels" in item["metadata"]]
    checks.equal(len(items) - len(ours), len(added), f"{name}: added objects")
    for item in ours:
        kind, metadata = item["kind"], item["metadata"]
        what = f"{name}: {kind} {metadata['name']}"
        checks.equal("namespace" in metadata, kind not in CLUSTER_WIDE, f"{what} has a namespace")
        labels = metadata.get("labels", {})
        for label in ("helm.sh/chart", "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/managed-by"):
            checks.check(labels.get(label), f"{what} has the label {label}")
        for label, value in values.get("commonLabels", {}).items():
            checks.equal(labels.get(label), value, f"{what}: common label {label}")
        checks.equal([path for path in nulls(item)], [], f"{what} has empty fields")

    bundle = get(values, ("webhook", "caBundle"))
    bundles = [path for item in items for path in keys(item, "caBundle")]
    checks.equal(bool(bundles), bool(bundle), f"{name}: caBundle only where it is given")
    kinds = {item["kind"] for item in items}
    webhook = [item for item in ours if item["metadata"]["labels"].get("app.kubernetes.io/component") == "webhook"]
    if values.get("engine") == "policy":
        checks.check(kinds >= PODLESS and not webhook, f"{name}: a policy and its bindings, no webhook: {kinds}")
        if not get(values, ("coverage", "enabled")):
            checks.equal(kinds, PODLESS, f"{name}: only the policy and its bindings")
    else:
        checks.check(not kinds & PODLESS, f"{name}: no policy")
    own_secrets = [item for item in items if item["kind"] == "Secret"]
    mode = get(values, ("tls", "mode")) or "self-managed"
    is_self_managed = mode == "self-managed" and values.get("engine") != "policy"
    is_kept = is_self_managed and get(values, ("tls", "selfManaged", "keeper")) == "separate"
    checks.equal(len(own_secrets), int(is_self_managed) + int(is_kept), f"{name}: empty Secrets only where the program fills them")
    for secret in own_secrets:
        checks.check("data" not in secret and "stringData" not in secret, f"{name}: the Secret has no data key")
    for pod, metadata, _ in pod_specs(items):
        checks.equal(metadata["labels"].get("gomemlimit.dev/inject"), "disabled", f"{name}: {pod} has opted out")
    selected(checks, name, items)


def selected(checks, name, items):
    """Whatever selects the replicas selects them, and not the pods of `helm test`."""
    pods = {pod: metadata["labels"] for pod, metadata, _ in pod_specs(items)}
    paths = {
        "Service": ("spec", "selector"),
        "PodDisruptionBudget": ("spec", "selector", "matchLabels"),
        "NetworkPolicy": ("spec", "podSelector", "matchLabels"),
        "PodMonitor": ("spec", "selector", "matchLabels"),
        "Deployment": ("spec", "selector", "matchLabels"),
    }
    for item in items:
        if item["kind"] in paths:
            selector = get(item, paths[item["kind"]])
            chosen = [pod for pod, labels in pods.items() if selector.items() <= labels.items()]
            # What is called …-coverage is about that pod, everything else about the webhook's.
            is_coverage = item["metadata"]["name"].endswith("-coverage")
            fits = len(chosen) == 1 and chosen[0].startswith("Deployment") and chosen[0].endswith("-coverage") == is_coverage
            checks.check(fits, f"{name}: {item['kind']} {item['metadata']['name']} selects {chosen}")
        if item["kind"] == "ServiceMonitor":
            selector = get(item, ("spec", "selector", "matchLabels"))
            services = [one["metadata"]["name"] for one in items if one["kind"] == "Service" and selector.items() <= one["metadata"]["labels"].items()]
            checks.equal(services, [item["metadata"]["name"]], f"{name}: ServiceMonitor selects")


def webhook(checks, chart):
    for name, items in chart.rendered.items():
        for configuration in (item for item in items if item["kind"] == "MutatingWebhookConfiguration"):
            for entry in configuration["webhooks"]:
                what = f"{name}: {entry['name']}"
                is_resize = entry["name"].startswith("resize")
                excluded = [
                    set(expression["values"])
                    for expression in entry["namespaceSelector"]["matchExpressions"]
                    if expression["key"] == "kubernetes.io/metadata.name" and expression["operator"] == "NotIn"
                ]
                checks.check(len(excluded) == 1 and excluded[0] >= HOME_NAMESPACES, f"{what} stays out of {HOME_NAMESPACES}")
                checks.equal([item["name"] for item in entry["matchConditions"]][:2], ["not-mirror-pod", "not-windows"], what)
                rules = [(rule["operations"], rule["resources"]) for rule in entry["rules"]]
                checks.equal(rules, [(["UPDATE"], ["pods/resize"]) if is_resize else (["CREATE"], ["pods"])], what)
                checks.equal((entry["sideEffects"], entry["matchPolicy"]), ("None", "Equivalent"), what)
                if is_resize:
                    checks.equal(entry["failurePolicy"], "Ignore", f"{what} never refuses")

    def entries(name):
        return [entry["name"].split(".")[0] for entry in one(chart.rendered[name], "MutatingWebhookConfiguration")["webhooks"]]

    checks.equal(entries("default"), ["namespaces", "resize"], "entries of the default")
    checks.equal(entries("pod-opt-in"), ["namespaces", "pods", "resize", "resize-pods"], "entries with podOptIn")
    checks.equal(entries("minimal"), ["namespaces"], "entries without resize warnings")
    first = one(chart.rendered["default"], "MutatingWebhookConfiguration")["webhooks"][0]
    checks.equal((first["failurePolicy"], first["timeoutSeconds"], first["reinvocationPolicy"]), ("Ignore", 3, "IfNeeded"), "defaults")
    checks.check({"key": "gomemlimit.dev/inject", "operator": "In", "values": ["enabled"]} in first["namespaceSelector"]["matchExpressions"], "opt-in label")
    checks.equal(first["objectSelector"]["matchExpressions"], [{"key": "gomemlimit.dev/inject", "operator": "NotIn", "values": ["disabled", "false"]}], "opt-out label")
    certificate = one(chart.rendered["cert-manager"], "MutatingWebhookConfiguration")["metadata"]["annotations"]
    checks.equal(certificate["cert-manager.io/inject-ca-from"], "gomemlimit/gomemlimit-tls", "cert-manager injects the CA")
    root = next(item for item in chart.rendered["cert-manager"] if item["metadata"]["name"] == "gomemlimit-root" and item["kind"] == "Certificate")
    limits = {"critical": True, "permitted": {"dnsDomains": ["gomemlimit.gomemlimit.svc"]}}
    checks.equal(root["spec"].get("nameConstraints"), limits, "the CA of cert-manager mode is for one name only")


def deployment(checks, chart):
    def spec(name):
        return one(chart.rendered[name], "Deployment")["spec"]

    default = spec("default")
    checks.equal((default["replicas"], default["minReadySeconds"], default["revisionHistoryLimit"]), (2, 5, 3), "Deployment")
    checks.equal(default["strategy"]["rollingUpdate"], {"maxUnavailable": 0, "maxSurge": 1}, "rolling update")
    checks.equal(spec("host-network")["strategy"]["rollingUpdate"], {"maxUnavailable": 1, "maxSurge": 0}, "rolling update where ports are the node's")
    for name in ("default", "policy-file"):
        template = one(chart.rendered[name], "Deployment")["spec"]["template"]
        checks.equal(template, default["template"], f"{name}: rules change no pod")
    container = default["template"]["spec"]["containers"][0]
    checks.equal(container["name"], "webhook", "container")
    checks.equal(container["resources"], {"requests": {"cpu": "10m", "memory": "24Mi"}, "limits": {"memory": "96Mi"}}, "resources")
    paths = [container[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")]
    checks.equal(paths, ["/livez", "/readyz", "/livez"], "probes")
    checks.check("replicas" not in spec("autoscaling"), "the autoscaler alone sets replicas")
    for name, has_budget in {"default": True, "minimal": False, "ha": True, "autoscaling": True}.items():
        checks.equal(any(item["kind"] == "PodDisruptionBudget" for item in chart.rendered[name]), has_budget, f"{name}: budget")
    single = chart.objects("--set", "replicaCount=1")
    checks.check(all(item["kind"] != "PodDisruptionBudget" for item in single), "no budget for one replica")
    for name in chart.rendered:
        for item in chart.rendered[name]:
            if item["kind"] == "Deployment":
                pod = item["spec"]["template"]["spec"]
                checks.equal(pod["enableServiceLinks"], False, f"{name}: no service links")


def names(checks, chart):
    """Other releases have other names, everywhere."""
    ours = {item["metadata"]["name"] for item in chart.objects(release="blue")}
    checks.check(all(name.startswith("blue-gomemlimit") for name in ours), f"names of release blue: {ours}")
    checks.equal({item["metadata"]["name"] for item in chart.objects(release="my-gomemlimit")} & ours, set(), "no name is shared")
    long = chart.objects(release="a" * 53)
    checks.check(all(len(item["metadata"]["name"]) <= 63 for item in long), "names fit")
    args = one(chart.objects(release="blue", namespace="infra"), "Deployment")["spec"]["template"]["spec"]["containers"][0]["args"]
    for flag in ("--tls-secret=blue-gomemlimit-ca", "--webhook-config=blue-gomemlimit", "--service=blue-gomemlimit", "--namespace=infra"):
        checks.check(flag in args, f"{flag} in {args}")
    probe = next(item for item in chart.objects(release="blue", namespace="infra") if item["metadata"]["name"].endswith("-test-webhook"))
    probe = probe["spec"]["containers"][0]["args"]
    checks.check("--url=https://$(BLUE_GOMEMLIMIT_SERVICE_HOST):443/mutate" in probe, f"test pod: {probe}")
    checks.check("--server-name=blue-gomemlimit.infra.svc" in probe, f"test pod: {probe}")
    args = one(chart.rendered["pod-opt-in"], "Deployment")["spec"]["template"]["spec"]["containers"][0]["args"]
    checks.check("--namespace-selector=" in args, f"with podOptIn the annotations of all namespaces are followed: {args}")
    selector = next(arg for arg in one(chart.rendered["all-namespaces"], "Deployment")["spec"]["template"]["spec"]["containers"][0]["args"] if arg.startswith("--namespace-selector"))
    checks.equal(selector, "--namespace-selector=environment=production,gomemlimit.dev/inject notin (disabled),tenant", "selector as text")


def nulls(value, path=""):
    if value is None:
        yield path
    for key, child in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from nulls(child, f"{path}.{key}")


def keys(value, wanted):
    for key, child in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if key == wanted:
            yield key
        yield from keys(child, wanted)
