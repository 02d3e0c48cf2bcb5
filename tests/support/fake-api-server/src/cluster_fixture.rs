//! A cluster as objects by path, with a sound installation to damage.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use serde_json::{Value, json};

use crate::{
    program::program_path,
    scripted::{ScriptedServer, failure, list},
};

pub const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
pub const SERVICES: &str = "/api/v1/namespaces/gomemlimit/services";
pub const PODS: &str = "/api/v1/namespaces/gomemlimit/pods";
pub const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/gomemlimit/deployments";
pub const CONFIG_MAPS: &str = "/api/v1/namespaces/gomemlimit/configmaps";
pub const NAMESPACES: &str = "/api/v1/namespaces";
pub const POLICIES: &str = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies";
pub const BINDINGS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings";

pub const CLUSTER_ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
pub const ALL_DEPLOYMENTS: &str = "/apis/apps/v1/deployments";

/// What the chart runs.
const SERVE: [&str; 6] = [
    "serve",
    "--tls-secret=gomemlimit-ca",
    "--webhook-config=gomemlimit",
    "--service=gomemlimit",
    "--namespace=gomemlimit",
    "--namespace-settings",
];

/// What is at a path: a list of objects with names, or an answer.
#[derive(Clone)]
enum Entry {
    Objects(Vec<Value>),
    Response(u16, String),
}

#[derive(Clone)]
pub struct ClusterFixture(BTreeMap<String, Entry>);

impl ClusterFixture {
    /// Nothing is there.
    pub fn empty() -> Self {
        let mut fixture = Self(BTreeMap::new());
        for path in [
            CONFIGURATIONS,
            SERVICES,
            PODS,
            DEPLOYMENTS,
            ALL_DEPLOYMENTS,
            NAMESPACES,
            POLICIES,
            BINDINGS,
            CLUSTER_ROLES,
        ] {
            fixture.put(path, &[]);
        }
        fixture
    }

    /// A release called gomemlimit, and the namespace shop, which has opted in.
    pub fn sound() -> Self {
        let mut fixture = Self::empty();
        fixture.put(CONFIGURATIONS, &[configuration("gomemlimit", "enabled")]);
        fixture.release("gomemlimit", &SERVE);
        fixture.put(NAMESPACES, &[namespace("shop", &json!({"gomemlimit.dev/inject": "enabled"}))]);
        fixture.dry_run("shop", Some("966367641"));
        fixture
    }

    pub fn put(&mut self, path: &str, objects: &[Value]) {
        self.0.insert(path.to_owned(), Entry::Objects(objects.to_vec()));
    }

    /// Adds to a list.
    pub fn add(&mut self, path: &str, object: Value) {
        let Some(Entry::Objects(objects)) = self.0.get_mut(path) else { panic!("no list {path}") };
        objects.push(object);
    }

    pub fn answer(&mut self, path: &str, (status, body): (u16, String)) {
        self.0.insert(path.to_owned(), Entry::Response(status, body));
    }

    pub fn forbid(&mut self, path: &str) {
        self.answer(path, failure(403, &format!("{path} is forbidden")));
    }

    /// The object of a list, to damage.
    pub fn object(&mut self, path: &str, index: usize) -> &mut Value {
        let Some(Entry::Objects(objects)) = self.0.get_mut(path) else { panic!("no list {path}") };
        &mut objects[index]
    }

    /// The entries of the first webhook configuration, to damage.
    pub fn entries(&mut self) -> &mut Vec<Value> {
        self.object(CONFIGURATIONS, 0)["webhooks"].as_array_mut().unwrap()
    }

    /// Makes the configuration one of deploy/install.yaml: it names no release of Helm.
    pub fn without_helm(&mut self) {
        self.object(CONFIGURATIONS, 0)["metadata"]["annotations"] = json!({});
    }

    /// Service, Deployment and a ready pod of a release in the namespace gomemlimit.
    pub fn release(&mut self, name: &str, args: &[&str]) {
        let labels = json!({
            "app.kubernetes.io/name": "gomemlimit", "app.kubernetes.io/instance": name,
            "app.kubernetes.io/component": "webhook", "helm.sh/chart": "gomemlimit-0.1.0",
        });
        let selector = json!({"app.kubernetes.io/instance": name});
        let ports = json!([{"port": 443, "targetPort": "https"}]);
        let metadata = json!({"name": name, "namespace": "gomemlimit", "labels": labels});
        self.add(SERVICES, json!({"metadata": metadata, "spec": {"selector": selector, "ports": ports}}));
        self.add(
            DEPLOYMENTS,
            json!({"metadata": metadata, "spec": {"replicas": 1, "template": {"metadata": {"labels": labels}}}}),
        );
        let pod = json!({
            "metadata": {"name": format!("{name}-0"), "namespace": "gomemlimit", "labels": labels},
            "spec": {"containers": [{
                "args": args, "ports": [{"name": "https", "containerPort": 10250}],
            }]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        });
        self.add(PODS, pod);
        let slices = "/apis/discovery.k8s.io/v1/namespaces/gomemlimit/endpointslices";
        self.put(slices, &[json!({"endpoints": [{"conditions": {"ready": true}}]})]);
    }

    /// The answer to the creation of a pod by dry run.
    pub fn dry_run(&mut self, namespace: &str, value: Option<&str>) {
        let env = value.map_or(json!([]), |value| json!([{"name": "GOMEMLIMIT", "value": value}]));
        let pod = json!({"spec": {"containers": [{"name": "check", "env": env}]}});
        self.answer(&format!("POST /api/v1/namespaces/{namespace}/pods"), (201, pod.to_string()));
    }

    /// Exit code and JSON of `gomemlimit check` with these arguments.
    pub async fn check(&self, arguments: &[&str]) -> (i32, Value) {
        self.serve().json(&[&["check"], arguments].concat()).await
    }

    pub fn serve(&self) -> ScriptedServer {
        let fixture = self.clone();
        ScriptedServer::start(move |path, query| {
            match fixture.0.get(path) {
                Some(Entry::Objects(objects)) => {
                    let selector =
                        query.get("labelSelector").map(|text| text.replace("%3D", "=").replace("%2C", ","));
                    let selector = selector.map(|text| text.replace("%2F", "/")).unwrap_or_default();
                    let chosen: Vec<_> =
                        objects.iter().filter(|object| is_selected(object, &selector)).cloned().collect();
                    return list(&chosen, "");
                }
                Some(Entry::Response(status, body)) => return (*status, body.clone()),
                None => {}
            }
            let (folder, name) = path.rsplit_once('/').unwrap();
            match fixture.0.get(folder) {
                Some(Entry::Objects(objects)) => {
                    match objects.iter().find(|one| one["metadata"]["name"] == name) {
                        Some(object) => (200, object.to_string()),
                        None => failure(404, &format!("{name} not found")),
                    }
                }
                Some(Entry::Response(status, body)) => (*status, body.clone()),
                None => failure(404, &format!("{path} not found")),
            }
        })
    }
}

fn is_selected(object: &Value, selector: &str) -> bool {
    let labels = &object["metadata"]["labels"];
    // Endpoint slices have no labels here, and there is one list of them.
    labels.is_null()
        || selector.split(',').filter(|one| !one.is_empty()).all(|one| {
            let (key, value) = one.split_once('=').unwrap();
            labels[key] == value
        })
}

pub fn namespace(name: &str, labels: &Value) -> Value {
    let mut labels = labels.clone();
    labels["kubernetes.io/metadata.name"] = name.into();
    json!({"metadata": {"name": name, "labels": labels}})
}

/// One requirement of a selector.
pub fn requirement(key: &str, operator: &str, values: &[&str]) -> Value {
    json!({"key": key, "operator": operator, "values": values})
}

/// An entry of a configuration; that of single pods if `pods`.
pub fn entry(name: &str, release: &str, namespaces: &Value, objects: &Value, resize: bool) -> Value {
    let excluded = requirement("kubernetes.io/metadata.name", "NotIn", &["kube-system", "gomemlimit"]);
    let (operation, resource) = if resize { ("UPDATE", "pods/resize") } else { ("CREATE", "pods") };
    json!({
        "name": name,
        "clientConfig": {
            "caBundle": bundle(),
            "service": {"name": release, "namespace": "gomemlimit", "path": "/mutate", "port": 443},
        },
        "namespaceSelector": {"matchExpressions": [namespaces, excluded]},
        "objectSelector": {"matchExpressions": [objects]},
        "rules": [{
            "apiGroups": [""], "apiVersions": ["v1"], "operations": [operation], "resources": [resource],
            "scope": "Namespaced",
        }],
        "failurePolicy": "Ignore", "timeoutSeconds": 3,
    })
}

/// What Helm writes on the objects of a release.
fn helm(release: &str, namespace: &str) -> Value {
    json!({"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": namespace})
}

/// A role of the whole cluster of a release.
pub fn cluster_role(release: &str, namespace: &str) -> Value {
    let labels = json!({"app.kubernetes.io/name": "gomemlimit", "app.kubernetes.io/instance": release});
    json!({"metadata": {"name": release, "labels": labels, "annotations": helm(release, namespace)}})
}

/// What the chart makes with this value of the opt-in label.
pub fn configuration(release: &str, value: &str) -> Value {
    let namespaces = requirement("gomemlimit.dev/inject", "In", &[value]);
    let pods = requirement("gomemlimit.dev/inject", "NotIn", &["disabled", "false"]);
    json!({
        "metadata": {
            "name": release,
            "labels": {"app.kubernetes.io/name": "gomemlimit", "app.kubernetes.io/instance": release},
            "annotations": helm(release, "gomemlimit"),
        },
        "webhooks": [
            entry("namespaces.gomemlimit.dev", release, &namespaces, &pods, false),
            entry("resize.gomemlimit.dev", release, &namespaces, &pods, true),
        ],
    })
}

/// The same with the entries of the chart's `podOptIn`.
pub fn with_pod_opt_in(mut configuration: Value) -> Value {
    let namespaces = requirement("gomemlimit.dev/inject", "NotIn", &["enabled", "disabled"]);
    let pods = requirement("gomemlimit.dev/inject", "In", &["enabled", "true"]);
    let entries = configuration["webhooks"].as_array_mut().unwrap();
    entries.push(entry("pods.gomemlimit.dev", "gomemlimit", &namespaces, &pods, false));
    entries.push(entry("resize-pods.gomemlimit.dev", "gomemlimit", &namespaces, &pods, true));
    configuration
}

/// The policy that the program prints, and its binding.
pub fn admission_policy() -> [Value; 2] {
    let output = std::process::Command::new(program_path()).args(["policy", "-o", "json"]).output().unwrap();
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    [list["items"][0].clone(), list["items"][1].clone()]
}

fn bundle() -> String {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    STANDARD.encode(certificate.pem())
}

/// The findings of a report about a check.
pub fn findings<'r>(report: &'r Value, check: &str) -> Vec<&'r Value> {
    report["checks"].as_array().unwrap().iter().filter(|one| one["check"] == check).collect()
}

/// The state of the only finding about a check.
pub fn state<'r>(report: &'r Value, check: &str) -> &'r str {
    match findings(report, check)[..] {
        [one] => one["state"].as_str().unwrap(),
        _ => panic!("not one {check} in {report:#}"),
    }
}
