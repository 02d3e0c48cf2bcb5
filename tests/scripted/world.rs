//! A cluster as objects by path, with a sound installation to damage.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use serde_json::{Value, json};

use super::{Server, failure, list};

pub(crate) const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
pub(crate) const SERVICES: &str = "/api/v1/namespaces/gomemlimit/services";
pub(crate) const PODS: &str = "/api/v1/namespaces/gomemlimit/pods";
pub(crate) const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/gomemlimit/deployments";
pub(crate) const CONFIG_MAPS: &str = "/api/v1/namespaces/gomemlimit/configmaps";
pub(crate) const NAMESPACES: &str = "/api/v1/namespaces";
pub(crate) const POLICIES: &str = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies";
pub(crate) const BINDINGS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings";

pub(crate) const CLUSTER_ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
pub(crate) const ALL_DEPLOYMENTS: &str = "/apis/apps/v1/deployments";

/// What the chart runs.
const SERVE: [&str; 6] = [
    "serve",
    "--tls-secret=gomemlimit-ca",
    "--webhook-config=gomemlimit",
    "--service=gomemlimit",
    "--namespace=gomemlimit",
    "--namespace-settings",
];

/// What answers: a list of objects with names, or an answer of its own.
#[derive(Clone)]
enum Place {
    Objects(Vec<Value>),
    Answer(u16, String),
}

#[derive(Clone)]
pub(crate) struct World(BTreeMap<String, Place>);

impl World {
    /// Nothing is there.
    pub(crate) fn empty() -> Self {
        let mut world = Self(BTreeMap::new());
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
            world.put(path, &[]);
        }
        world
    }

    /// A release called gomemlimit, and the namespace shop, which has opted in.
    pub(crate) fn sound() -> Self {
        let mut world = Self::empty();
        world.put(CONFIGURATIONS, &[configuration("gomemlimit", "enabled")]);
        world.release("gomemlimit", &SERVE);
        world.put(NAMESPACES, &[namespace("shop", &json!({"gomemlimit.dev/inject": "enabled"}))]);
        world.dry_run("shop", Some("966367641"));
        world
    }

    pub(crate) fn put(&mut self, path: &str, objects: &[Value]) {
        self.0.insert(path.to_owned(), Place::Objects(objects.to_vec()));
    }

    /// Adds to a list.
    pub(crate) fn add(&mut self, path: &str, object: Value) {
        let Some(Place::Objects(objects)) = self.0.get_mut(path) else { panic!("no list {path}") };
        objects.push(object);
    }

    pub(crate) fn answer(&mut self, path: &str, (status, body): (u16, String)) {
        self.0.insert(path.to_owned(), Place::Answer(status, body));
    }

    pub(crate) fn forbid(&mut self, path: &str) {
        self.answer(path, failure(403, &format!("{path} is forbidden")));
    }

    /// The object of a list, to damage.
    pub(crate) fn object(&mut self, path: &str, index: usize) -> &mut Value {
        let Some(Place::Objects(objects)) = self.0.get_mut(path) else { panic!("no list {path}") };
        &mut objects[index]
    }

    /// Service, Deployment and a ready pod of a release in the namespace gomemlimit.
    pub(crate) fn release(&mut self, name: &str, args: &[&str]) {
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

    /// What becomes of a pod that is created by dry run.
    pub(crate) fn dry_run(&mut self, namespace: &str, value: Option<&str>) {
        let env = value.map_or(json!([]), |value| json!([{"name": "GOMEMLIMIT", "value": value}]));
        let pod = json!({"spec": {"containers": [{"name": "check", "env": env}]}});
        self.answer(&format!("POST /api/v1/namespaces/{namespace}/pods"), (201, pod.to_string()));
    }

    pub(crate) async fn serve(&self) -> Server {
        let world = self.clone();
        Server::start(move |path, query| {
            match world.0.get(path) {
                Some(Place::Objects(objects)) => {
                    let selector =
                        query.get("labelSelector").map(|text| text.replace("%3D", "=").replace("%2C", ","));
                    let selector = selector.map(|text| text.replace("%2F", "/")).unwrap_or_default();
                    let chosen: Vec<_> =
                        objects.iter().filter(|object| is_selected(object, &selector)).cloned().collect();
                    return list(&chosen, "");
                }
                Some(Place::Answer(status, body)) => return (*status, body.clone()),
                None => {}
            }
            let (folder, name) = path.rsplit_once('/').unwrap();
            match world.0.get(folder) {
                Some(Place::Objects(objects)) => {
                    match objects.iter().find(|one| one["metadata"]["name"] == name) {
                        Some(object) => (200, object.to_string()),
                        None => failure(404, &format!("{name} not found")),
                    }
                }
                Some(Place::Answer(status, body)) => (*status, body.clone()),
                None => failure(404, &format!("{path} not found")),
            }
        })
        .await
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

pub(crate) fn namespace(name: &str, labels: &Value) -> Value {
    let mut labels = labels.clone();
    labels["kubernetes.io/metadata.name"] = name.into();
    json!({"metadata": {"name": name, "labels": labels}})
}

/// One requirement of a selector.
pub(crate) fn requirement(key: &str, operator: &str, values: &[&str]) -> Value {
    json!({"key": key, "operator": operator, "values": values})
}

/// An entry of a configuration; that of single pods where `pods`.
pub(crate) fn entry(name: &str, release: &str, namespaces: &Value, objects: &Value, resize: bool) -> Value {
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
        "failurePolicy": "Ignore",
    })
}

/// What Helm writes on the objects of a release.
fn helm(release: &str, namespace: &str) -> Value {
    json!({"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": namespace})
}

/// A role of the whole cluster of a release.
pub(crate) fn cluster_role(release: &str, namespace: &str) -> Value {
    let labels = json!({"app.kubernetes.io/name": "gomemlimit", "app.kubernetes.io/instance": release});
    json!({"metadata": {"name": release, "labels": labels, "annotations": helm(release, namespace)}})
}

/// What the chart makes with this value of the opt-in label.
pub(crate) fn configuration(release: &str, value: &str) -> Value {
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
pub(crate) fn with_pod_opt_in(mut configuration: Value) -> Value {
    let namespaces = requirement("gomemlimit.dev/inject", "NotIn", &["enabled", "disabled"]);
    let pods = requirement("gomemlimit.dev/inject", "In", &["enabled", "true"]);
    let entries = configuration["webhooks"].as_array_mut().unwrap();
    entries.push(entry("pods.gomemlimit.dev", "gomemlimit", &namespaces, &pods, false));
    entries.push(entry("resize-pods.gomemlimit.dev", "gomemlimit", &namespaces, &pods, true));
    configuration
}

/// The policy that the program prints, and its binding.
pub(crate) fn admission_policy() -> [Value; 2] {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_gomemlimit"))
        .args(["policy", "-o", "json"])
        .output()
        .unwrap();
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    [list["items"][0].clone(), list["items"][1].clone()]
}

fn bundle() -> String {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    STANDARD.encode(certificate.pem())
}

/// The findings of a report about a link.
pub(crate) fn links<'r>(report: &'r Value, link: &str) -> Vec<&'r Value> {
    report["links"].as_array().unwrap().iter().filter(|one| one["link"] == link).collect()
}

/// The state of the only finding about a link.
pub(crate) fn state<'r>(report: &'r Value, link: &str) -> &'r str {
    match links(report, link)[..] {
        [one] => one["state"].as_str().unwrap(),
        _ => panic!("not one {link} in {report:#}"),
    }
}
