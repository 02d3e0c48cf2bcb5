"""Alerts and dashboard: promtool is content, every metric exists, every alert is tested and documented."""

import json
import pathlib
import re
import subprocess
import tempfile

from support import ROOT, load, one

# Metrics of other programs that alerts and dashboard may use.
FOREIGN = {
    "kube-apiserver": {
        "apiserver_admission_match_condition_evaluation_errors_total",
        "apiserver_admission_webhook_admission_duration_seconds_bucket",
        "apiserver_admission_webhook_fail_open_count",
        "apiserver_admission_webhook_rejection_count",
        "apiserver_admission_webhook_request_total",
    },
    "kube-state-metrics": {
        "kube_pod_container_info",
        "kube_pod_container_resource_limits",
        "kube_pod_container_status_last_terminated_reason",
        "kube_pod_container_status_restarts_total",
        "kube_pod_info",
    },
    "cAdvisor, in kubelet": {"container_memory_working_set_bytes"},
    "the Go client of Prometheus": {
        "go_cpu_classes_gc_total_cpu_seconds_total",
        "go_cpu_classes_total_cpu_seconds_total",
        "go_gc_duration_seconds_count",
        "go_gc_gomemlimit_bytes",
    },
}
KEYWORDS = {"and", "bool", "by", "group_left", "group_right", "ignoring", "offset", "on", "or", "unless", "without"}
SEVERITIES = {"critical", "warning", "info"}
# What keeps the API server from calling the webhook: no pod starts then where failurePolicy is Fail.
OUTAGES = {"GomemlimitDown", "GomemlimitCertificateExpiresSoon", "GomemlimitCaBundleOutOfSync"}
# The documentation, for who has the chart and no checkout; a release puts its repository in.
DOCS = "https://github.com/OWNER/gomemlimit/blob/main/docs"
TESTS = pathlib.Path(__file__).with_name("alerts_test.yaml")


def run(checks, chart):
    rules_file = chart.path / "files" / "alerts.yaml"
    promtool(checks, "check", "rules", rules_file)
    with tempfile.TemporaryDirectory() as folder:
        # The tests, of this chart's rules.
        tests = pathlib.Path(folder) / "alerts_test.yaml"
        tests.write_text(TESTS.read_text().replace("../../charts/gomemlimit/files/alerts.yaml", str(rules_file)))
        promtool(checks, "test", "rules", tests)

    known = {
        *own_metrics((ROOT / "docs" / "metrics.md").read_text()),
        *(name for names in FOREIGN.values() for name in names),
    }
    rules = [rule for group in load(rules_file)["groups"] for rule in group["rules"]]
    documentation = (ROOT / "docs" / "alerts.md").read_text()
    tested = TESTS.read_text()
    for rule in rules:
        alert = rule["alert"]
        checks.check(rule["labels"]["severity"] in SEVERITIES, f"{alert}: severity")
        checks.equal(set(rule["annotations"]), {"summary", "description", "runbook_url"}, f"{alert}: annotations")
        checks.equal(rule["annotations"]["runbook_url"], f"{DOCS}/alerts.md#{alert.lower()}", f"{alert}: runbook")
        checks.check(f"## {alert}\n" in documentation, f"{alert} is not explained in docs/alerts.md")
        checks.check(f'alertname="{alert}"' in tested, f"{alert} never fires in {TESTS.name}")
        exist(checks, alert, rule["expr"], known)
    headings = re.findall(r"^## (Gomemlimit\w+)$", documentation, re.M)
    checks.equal(headings, [rule["alert"] for rule in rules], "docs/alerts.md explains the alerts in their order")
    for metric in re.findall(r"`(\w+_\w+)`", documentation):
        if metric.startswith(("gomemlimit_", "apiserver_admission_")):
            checks.check(metric in known, f"docs/alerts.md names {metric}, which nobody exports")

    rendered(checks, chart, rules)
    dashboard(checks, chart, known)


def rendered(checks, chart, rules):
    """What arrives in the cluster is what the file says, but for what the values change."""
    all_of_them = chart.objects("--set", "metrics.prometheusRule.enabled=true", "--set", "tls.selfManaged.keeper=separate")
    spec = one(all_of_them, "PrometheusRule")["spec"]
    arrived = [rule for group in spec["groups"] for rule in group["rules"]]
    of_release = 'max by (namespace) (gomemlimit_ca_expiry_timestamp_seconds{namespace="gomemlimit"}) == 0'
    expected = [{**rule, "expr": of_release} if rule["alert"] == "GomemlimitKeeperDown" else rule for rule in rules]
    checks.equal(arrived, expected, "rules without values")
    other_releases(checks, spec)
    monitoring = one(chart.rendered["monitoring"], "PrometheusRule")["spec"]["groups"]
    by_name = {rule["alert"]: rule for group in monitoring for rule in group["rules"]}
    checks.equal(len(by_name), len(rules) - 2, "one alert is left out, and that of a keeper")
    down = by_name["GomemlimitDown"]
    checks.equal(down["labels"], {"severity": "page", "team": "platform"}, "labels by values")
    checks.equal(down["annotations"]["runbook_url"], "https://runbooks.example.com/gomemlimit/alerts#gomemlimitdown", "runbook by values")
    closed = chart.objects("--set", "metrics.prometheusRule.enabled=true", "--set", "webhook.failurePolicy=Fail")
    fatal = {rule["alert"] for group in one(closed, "PrometheusRule")["spec"]["groups"] for rule in group["rules"] if rule["labels"]["severity"] == "critical"}
    checks.equal(fatal, OUTAGES | {"GomemlimitPodsRefused"}, "critical with failurePolicy Fail")
    critical = {rule["alert"] for rule in rules if rule["labels"]["severity"] == "critical"}
    checks.equal(critical, {"GomemlimitPodsRefused"}, "critical while pods start without the webhook")
    groups = one(chart.rendered["pod-monitor"], "PrometheusRule")["spec"]["groups"]
    checks.equal([group["name"] for group in groups], ["gomemlimit", "gomemlimit-coverage"], "alerts without the API server's")


def other_releases(checks, spec):
    """One in another namespace, with cert-manager, has no keeper, and none is missed; the own one is."""
    series = lambda namespace, values: {"series": f'gomemlimit_ca_expiry_timestamp_seconds{{namespace="{namespace}", pod="a"}}', "values": values}
    firing = lambda when, count: {"expr": 'count by (namespace) (ALERTS{alertname="GomemlimitKeeperDown", alertstate="firing"})', "eval_time": when, "exp_samples": count}
    own = [{"labels": '{namespace="gomemlimit"}', "value": 1}]
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "rules.yaml").write_text(json.dumps(spec))
        tests = [{"interval": "1m", "input_series": [series("other", "0x200"), series("gomemlimit", "8640000x100 0x100")], "promql_expr_test": [firing("90m", []), firing("180m", own)]}]
        (pathlib.Path(folder) / "test.yaml").write_text(json.dumps({"rule_files": ["rules.yaml"], "tests": tests}))
        promtool(checks, "test", "rules", f"{folder}/test.yaml")


def dashboard(checks, chart, known):
    board = json.loads(chart.read("files/dashboard.json"))
    in_cluster = [item for item in chart.rendered["monitoring"] if item["kind"] == "ConfigMap" and item["metadata"]["name"].endswith("-dashboard")]
    checks.equal(json.loads(in_cluster[0]["data"]["gomemlimit.json"]), board, "dashboard in the ConfigMap")
    variables = {variable["name"] for variable in board["templating"]["list"]}
    checks.equal(variables, {"datasource", "release", "namespace"}, "variables")
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    checks.equal(len({panel["id"] for panel in board["panels"]}), len(board["panels"]), "ids of panels")
    expressions = []
    for panel in panels:
        checks.equal(panel["datasource"]["uid"], "${datasource}", f"{panel['title']}: data source")
        for target in panel["targets"]:
            expression = target["expr"]
            for name, value in {"$__rate_interval": "5m", "$__range": "1h", "$release": ".*", "$namespace": ".*"}.items():
                expression = expression.replace(name, value)
            checks.check("$" not in expression, f"{panel['title']}: unknown variable in {target['expr']}")
            exist(checks, panel["title"], expression, known)
            expressions.append(expression)
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            metric = re.fullmatch(r"label_values\((\w+), \w+\)", variable["definition"])
            checks.check(metric and metric[1] in known, f"variable {variable['name']}")
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        # promtool reads rules only; a query is the better half of one.
        json.dump({"groups": [{"name": "dashboard", "rules": [{"record": f"panel:{i}", "expr": e} for i, e in enumerate(expressions)]}]}, file)
        file.flush()
        promtool(checks, "check", "rules", file.name)
    honest(checks, expressions)
    for panel in panels:
        foreign = {name for target in panel["targets"] for name in metrics_in(target["expr"])} & FOREIGN["kube-apiserver"]
        if panel["type"] == "stat" and foreign:
            checks.check(panel["fieldConfig"]["defaults"].get("noValue"), f"{panel['title']}: says nothing about missing metrics")
    used = {name for expression in expressions for name in metrics_in(expression)}
    own = {name for name in own_metrics((ROOT / "docs" / "metrics.md").read_text()) if not name.endswith(("_bucket", "_sum", "_count"))}
    missing = own - used - {name.removesuffix("_bucket") for name in used} - {"gomemlimit_request_duration_seconds"}
    checks.equal(missing, set(), "metrics of gomemlimit that the dashboard does not show")


def honest(checks, expressions):
    """Without any metrics no panel shows a value: a zero would look as if all were well. No failure is a zero."""
    calls = 'apiserver_admission_webhook_request_total{name="namespaces.gomemlimit.dev", code="200"}'
    zero = next(expression for expression in expressions if "fail_open_count" in expression)
    tests = [
        {"interval": "1m", "input_series": [], "promql_expr_test": [{"expr": one, "eval_time": "10m", "exp_samples": []} for one in expressions]},
        {"interval": "1m", "input_series": [{"series": calls, "values": "1x10"}], "promql_expr_test": [{"expr": zero, "eval_time": "10m", "exp_samples": [{"labels": "{}", "value": 0}]}]},
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump({"rule_files": [], "tests": tests}, file)
        file.flush()
        promtool(checks, "test", "rules", file.name)


def exist(checks, where, expression, known):
    for name in metrics_in(expression):
        checks.check(name in known, f"{where} uses {name}, which nobody exports")


def own_metrics(page):
    """Names in the table of docs/metrics.md, with the series of a histogram."""
    for name, meaning in re.findall(r"^\| `(gomemlimit_\w+)` \|[^|]*\|(.*)\|$", page, re.M):
        yield name
        if "Histogram" in meaning:
            yield from (f"{name}_{series}" for series in ("bucket", "sum", "count"))


def metrics_in(expression):
    """Metric names in a PromQL expression."""
    expression = re.sub(r'"[^"]*"', "", expression)
    expression = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", expression)
    expression = re.sub(r"\b(by|on|without|ignoring|group_left|group_right) *\([^)]*\)", "", expression)
    expression = re.sub(r"\boffset +\w+", "", expression)
    words = re.findall(r"(?<![\w.])([a-zA-Z_:][\w:]*)\b(?! *\()", expression)
    return {word for word in words if word not in KEYWORDS}


def promtool(checks, *command):
    done = subprocess.run(["promtool", *map(str, command)], capture_output=True, text=True)
    checks.check(done.returncode == 0, f"promtool {command[0]} {command[1]}: {done.stdout}{done.stderr}")
