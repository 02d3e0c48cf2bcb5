"""Pod Security `restricted` accepts every pod, and the rights are the least that work."""

from support import pod_specs

ALLOWED_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def run(checks, chart):
    for name, items in chart.rendered.items():
        for pod, _, spec in pod_specs(items):
            expected = ["hostNetwork", "host port"] if name == "host-network" and pod.startswith("Deployment") else []
            checks.equal(violations(spec), expected, f"{name}: {pod} against Pod Security restricted")
            for container in spec["containers"]:
                user = {**spec["securityContext"], **container["securityContext"]}.get("runAsUser")
                checks.equal(user, 1000 if name == "extras" else None, f"{name}: {pod} has no fixed user")
                checks.check(container["securityContext"]["readOnlyRootFilesystem"], f"{name}: {pod} writes nothing")
                checks.check("cpu" not in container["resources"].get("limits", {}), f"{name}: {pod} has no CPU limit")
                checks.check(container["resources"]["limits"]["memory"], f"{name}: {pod} has a memory limit")
            token(checks, f"{name}: {pod}", spec)
    teeth(checks)
    rights(checks, chart)


# Kubernetes gives no shorter life than this, in seconds.
TOKEN = {
    "sources": [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 600}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
}


def token(checks, what, spec):
    """A token of a short life where the API is used, at the place where a client looks for it; elsewhere none at all."""
    checks.equal(spec["automountServiceAccountToken"], False, f"{what}: no token of the cluster's choice")
    for container in spec["containers"]:
        args = container["args"]
        uses_api = args[0] == "audit" or any(arg.startswith(("--tls-secret", "--namespace-settings")) for arg in args)
        places = {mount["name"]: mount["mountPath"] for mount in container.get("volumeMounts", [])}
        found = [(places.get(volume["name"]), volume["projected"]) for volume in spec.get("volumes", []) if "projected" in volume]
        expected = [("/var/run/secrets/kubernetes.io/serviceaccount", TOKEN)] if uses_api else []
        checks.equal(found, expected, f"{what}: a token only where the API is used")


def violations(spec):
    """The controls of the standard `restricted` that this pod does not meet."""
    found = []
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            found.append(field)
    context = spec.get("securityContext", {})
    for volume in spec.get("volumes", []):
        if not set(volume) - {"name"} <= ALLOWED_VOLUMES:
            found.append(f"volume {volume['name']}")
    for container in spec["containers"] + spec.get("initContainers", []):
        own = container.get("securityContext", {})
        both = {**context, **own}
        if both.get("runAsNonRoot") is not True:
            found.append("runAsNonRoot")
        if both.get("runAsUser") == 0:
            found.append("runAsUser")
        if both.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            found.append("seccompProfile")
        if own.get("allowPrivilegeEscalation") is not False:
            found.append("allowPrivilegeEscalation")
        if own.get("privileged"):
            found.append("privileged")
        capabilities = own.get("capabilities", {})
        if "ALL" not in capabilities.get("drop", []) or not set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"}:
            found.append("capabilities")
        # On the node's network every port is one of the host.
        if spec.get("hostNetwork") or any(port.get("hostPort") for port in container.get("ports", [])):
            found.append("host port")
    return found


def teeth(checks):
    bare = {"hostPID": True, "volumes": [{"name": "v", "hostPath": {}}], "containers": [{"name": "c"}]}
    expected = ["hostPID", "volume v", "runAsNonRoot", "seccompProfile", "allowPrivilegeEscalation", "capabilities"]
    checks.equal(violations(bare), expected, "a bare pod is refused")


def rights(checks, chart):
    secrets = ([""], ["secrets"], ["gomemlimit-ca"], ["list", "watch", "update"])
    both = ([""], ["secrets"], ["gomemlimit-ca", "gomemlimit-serving"], ["list", "watch", "update"])
    configuration = (["admissionregistration.k8s.io"], ["mutatingwebhookconfigurations"], ["gomemlimit"], ["list", "watch", "patch"])
    namespaces = ([""], ["namespaces"], None, ["list", "watch"])
    counted = [
        ([""], ["pods", "namespaces"], None, ["list"]),
        (["admissionregistration.k8s.io"], ["mutatingwebhookconfigurations", "mutatingadmissionpolicies", "mutatingadmissionpolicybindings"], None, ["list"]),
        ([""], ["services"], ["gomemlimit"], ["get"]),
        ([""], ["configmaps"], ["gomemlimit-policy"], ["get"]),
    ]
    expected = {
        "coverage": [configuration, namespaces, secrets, *counted],
        "coverage-policy-engine": counted,
        "default": [configuration, namespaces, secrets],
        "cert-manager": [],
        "cert-manager-old": [namespaces],
        "cert-manager-own-issuer": [namespaces],
        "existing-secret": [namespaces],
        "minimal": [configuration, secrets],
        "keeper": [configuration, both],
        "own-accounts": [],
        "policy-engine": [],
    }
    for name, rules in expected.items():
        roles = [item for item in chart.rendered[name] if item["kind"] in ("ClusterRole", "Role")]
        found = [
            (rule["apiGroups"], rule["resources"], rule.get("resourceNames"), rule["verbs"])
            for role in roles
            for rule in role["rules"]
        ]
        checks.equal(sorted(found, key=str), sorted(rules, key=str), f"{name}: rights")
        bindings = [item for item in chart.rendered[name] if item["kind"].endswith("Binding") and "roleRef" in item]
        checks.equal(len(bindings), len(roles), f"{name}: one binding a role")
        for binding in bindings:
            # Each account has the rights of its own name.
            accounts = [item["metadata"]["name"] for item in chart.rendered[name] if item["kind"] == "ServiceAccount"]
            account = next(account for account in accounts if account == binding["metadata"]["name"])
            subjects = [(subject["kind"], subject["name"], subject["namespace"]) for subject in binding["subjects"]]
            checks.equal(subjects, [("ServiceAccount", account, "gomemlimit")], f"{name}: {binding['kind']}")
    keeper(checks, chart)


def keeper(checks, chart):
    """With a separate keeper no account but its own has any right, and replicas have no token."""
    items = chart.rendered["keeper"]
    subjects = {subject["name"] for item in items if "roleRef" in item for subject in item["subjects"]}
    checks.equal(subjects, {"gomemlimit-keeper"}, "who has rights beside a keeper")
    tokens = {
        pod: [volume["name"] for volume in spec.get("volumes", []) if "projected" in volume]
        for pod, _, spec in pod_specs(items)
        if pod.startswith("Deployment")
    }
    checks.equal(tokens, {"Deployment gomemlimit": [], "Deployment gomemlimit-keeper": ["kube-api-access"]}, "who has a token")
    mounted = {volume["secret"]["secretName"] for pod, _, spec in pod_specs(items) if pod == "Deployment gomemlimit" for volume in spec["volumes"] if "secret" in volume}
    checks.equal(mounted, {"gomemlimit-serving"}, "replicas mount the certificate and no CA")
    services = [item for item in items if item["kind"] == "Service" and item["spec"]["selector"].get("app.kubernetes.io/component") != "webhook"]
    checks.equal(services, [], "nobody reaches the keeper by a Service")
    accounts = {subject["name"] for item in chart.rendered["keeper-own-accounts"] if item["metadata"]["name"] == "gomemlimit-keeper" and "roleRef" in item for subject in item["subjects"]}
    checks.equal(accounts, {"platform-keepers"}, "an account made by somebody else")
