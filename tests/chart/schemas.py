"""Kubernetes's own schemas and those of the operators accept every object; unknown fields are refused."""

import functools
import json

import jsonschema
import kubernetes_validate
from support import environment, load, minimum_version

OLDEST, NEWEST = 28, 37
OPERATORS = {"cert-manager.io", "monitoring.coreos.com"}
# MutatingAdmissionPolicy v1 is there from this minor on.
POLICY_SINCE = 36


def run(checks, chart):
    versions = [f"1.{minor}" for minor in range(OLDEST, NEWEST + 1)]
    seen = set()
    for path in chart.ci_files():
        name = path.name.removesuffix("-values.yaml")
        oldest = minimum_version(path)
        for item in chart.rendered[name]:
            # Many objects are the same in many situations.
            text = json.dumps(item, sort_keys=True)
            if (text, oldest) in seen:
                continue
            seen.add((text, oldest))
            group = item["apiVersion"].rpartition("/")[0]
            what = f"{name}: {item['kind']} {item['metadata']['name']}"
            if group in OPERATORS:
                errors = [f"{'/'.join(map(str, error.path))}: {error.message}" for error in crd(item).iter_errors(item)]
                checks.equal(errors, [], what)
                continue
            if item["kind"].startswith("MutatingAdmissionPolicy"):
                checks.check(oldest >= POLICY_SINCE, f"{name} must say that it needs 1.{POLICY_SINCE}")
            for version in versions[oldest - OLDEST :]:
                checks.equal(refusal(item, version), None, f"{what} in {version}")
    teeth(checks)


def refusal(item, version):
    try:
        kubernetes_validate.validate(item, version, strict=True)
    except Exception as error:  # Whatever it is, the object was not accepted.
        return f"{type(error).__name__}: {error}"[:500]
    return None


def teeth(checks):
    """The schemas do refuse unknown fields."""
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"prots": []}}
    checks.check(refusal(service, "1.37"), "a misspelt field of a Service is refused")
    monitor = {"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "spec": {"selector": {}, "endpoints": [{"prot": "x"}]}}
    checks.check(list(crd(monitor).iter_errors(monitor)), "a misspelt field of a ServiceMonitor is refused")


@functools.cache
def crd_validator(api_version, kind):
    group, version = api_version.split("/")
    for folder in ("PROMETHEUS_OPERATOR_CRDS", "CERT_MANAGER_CRDS"):
        path = environment(folder) / f"{group}_{kind.lower()}s.yaml"
        if path.exists():
            versions = {item["name"]: item["schema"]["openAPIV3Schema"] for item in load(path)["spec"]["versions"]}
            return jsonschema.Draft202012Validator(strict(versions[version], is_root=True))
    raise LookupError(f"no definition of {kind} {api_version}")


def crd(item):
    return crd_validator(item["apiVersion"], item["kind"])


def strict(schema, is_root=False):
    """An OpenAPI schema as JSON Schema that knows no other fields."""
    if isinstance(schema, list):
        return [strict(child) for child in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: strict(child) for key, child in schema.items() if key not in ("properties", "default", "enum")}
    if "enum" in schema:
        result["enum"] = schema["enum"]
    if "properties" in schema:
        result["properties"] = {key: strict(child) for key, child in schema["properties"].items()}
        if is_root:
            # The API server's part of every object.
            result["properties"]["metadata"] = {"type": "object"}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            result.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        result.pop("type", None)
        result["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    return result
