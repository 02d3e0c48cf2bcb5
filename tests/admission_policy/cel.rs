//! The policy's CEL, evaluated by the API server's own library (`tests/go/admission-policy`), beside the core: every container
//! has the same variables after both. `cargo test --test integration -- --ignored admission_policy`.
//!
//! What is tried comes from the table of settings, so a new setting is tried as well. A cluster is not needed, and so the
//! selectors of the binding are not looked at; `tests/e2e/tests/policy_engine.rs` has those.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use gomemlimit::admission_policy::AdmissionPolicy;
use gomemlimit_core::{
    NamespaceAnnotations, Pod, Policy, decide,
    names::{DOMAIN, GOMEMLIMIT, GOMEMLIMIT_MIB, LIMITS_MEMORY, MIB_DIVISOR},
    settings::{Engines, EnvFrom, Form, InitContainers, Level, Setting, ValueKind},
};
use serde_json::{Value, json};

/// The release of Go that builds the program: no older than its `go.mod` wants.
const GO: &str = "1.27.3";

/// The levels that a policy has.
const LEVELS: [Level; 4] = [Level::Container, Level::Pod, Level::Namespace, Level::Default];

/// Memory limits: round and odd ones, on both sides of the default `min-limit` and of the least limit that is tracked, and
/// those that lose digits as a floating-point number; two between which a headroom of 300Mi begins to leave 10 %.
const LIMITS: [&str; 15] = [
    "1Gi",
    "1000000007",
    "100M",
    "0.1Gi",
    "33554431",
    "32Mi",
    "32769Ki",
    "349525333",
    "349525334",
    "1.5Gi",
    "10Gi",
    "10737418239",
    "123456789Ki",
    "1Pi",
    "999",
];

/// Texts of a setting, sound and unsound ones.
fn texts(setting: Setting) -> Vec<&'static str> {
    match setting.form() {
        Form::Ratio => vec!["0.5", "85%", "0.123456", "98%", "0.1", "off", "1.5", " 0.5"],
        Form::Quantity => vec!["0", "300Mi", "100M", "0.1Gi", "123456789", "100m", "2Gi", "8MB", "-1"],
        Form::Words(words) => words.into_iter().map(|(word, _)| word).chain(["x"]).collect(),
    }
}

fn followed() -> impl Iterator<Item = Setting> + Clone {
    Setting::ALL.iter().copied().filter(|setting| setting.engines() == Engines::All)
}

/// A pod with a container for each limit. Two more are init containers, one of them a sidecar.
fn pod_of_limits() -> Value {
    let container = |name: String, limit: &str| {
        let resources = json!({"limits": {"memory": limit}});
        json!({"name": name, "image": "registry.example/shop/api:1.4.2", "resources": resources})
    };
    let mut containers: Vec<_> =
        LIMITS.iter().enumerate().map(|(index, limit)| container(format!("c{index}"), limit)).collect();
    containers[0]["env"] = json!([{"name": "PORT", "value": "8080"}]);
    let mut sidecar = container("sidecar".to_owned(), "64Mi");
    sidecar["restartPolicy"] = "Always".into();
    let migration = container("migration".to_owned(), "1Gi");
    json!({"metadata": {"name": "limits"}, "spec": {"initContainers": [sidecar, migration], "containers": containers}})
}

/// Other pods: what a container or a pod can have besides a limit and settings.
fn other_pods() -> Vec<Value> {
    let app = |more: &Value| {
        let mut container =
            json!({"name": "app", "image": "shop/api", "resources": {"limits": {"memory": "1000000007"}}});
        container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"metadata": {"name": "other"}, "spec": {"containers": [container]}})
    };
    let mut pods: Vec<_> = [
        json!({"env": [{"name": "GOMEMLIMIT", "value": "300MiB"}]}),
        json!({"env": [{"name": "GOMEMLIMIT_MIB", "value": "300"}]}),
        json!({"env": [{"name": "AUTOMEMLIMIT", "value": "0.7"}]}),
        json!({"env": [{"name": "AUTOMEMLIMIT", "value": "0.7"}, {"name": "AUTOMEMLIMIT", "value": "off"}]}),
        json!({"args": ["--auto-gomemlimit"]}),
        json!({"args": ["--auto-gomemlimit", "--no-auto-gomemlimit"]}),
        json!({"envFrom": [{"configMapRef": {"name": "settings"}}]}),
        json!({"envFrom": [{"prefix": "APP_", "configMapRef": {"name": "settings"}}]}),
        json!({"image": "quay.io/prometheus/prometheus:v3.5.0"}),
        json!({"resources": {}}),
    ]
    .iter()
    .map(app)
    .collect();
    let mut of_pod = app(&json!({}));
    of_pod["spec"]["resources"] = json!({"limits": {"memory": "1500000001"}});
    of_pod["spec"]["containers"].as_array_mut().unwrap().push(json!({"name": "rest"}));
    let mut windows = app(&json!({}));
    windows["spec"]["os"] = json!({"name": "windows"});
    let mut mirror = app(&json!({}));
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
    let mut opted_out = app(&json!({}));
    opted_out["metadata"]["labels"] = json!({"gomemlimit.dev/inject": "disabled"});
    pods.extend([of_pod, windows, mirror, opted_out]);
    pods
}

/// A pod of a namespace, and the policy of an installation.
#[derive(Clone)]
struct Case {
    pod: Value,
    namespace: NamespaceAnnotations,
    policy: Policy,
    follow_namespaces: bool,
}

impl Case {
    fn of(pod: Value) -> Self {
        Self {
            pod,
            namespace: NamespaceAnnotations::new(),
            policy: Policy::default(),
            follow_namespaces: true,
        }
    }

    /// The same with a setting at one level, for every container; `None` if nobody can set that.
    fn with(&self, level: Level, setting: Setting, text: &str) -> Option<Self> {
        let mut case = self.clone();
        let name = setting.as_str();
        match level {
            Level::Container => {
                let names =
                    containers(&self.pod).map(|container| container["name"].as_str().unwrap().to_owned());
                for container in names.collect::<Vec<_>>() {
                    case.pod["metadata"]["annotations"][format!("{name}.{DOMAIN}/{container}")] = text.into();
                }
            }
            Level::Pod => case.pod["metadata"]["annotations"][format!("{DOMAIN}/{name}")] = text.into(),
            Level::Namespace => {
                case.namespace.insert(format!("{DOMAIN}/{name}"), text.to_owned());
            }
            Level::Default => case.policy.defaults.set(setting, text).ok()?,
            Level::Rule => unreachable!("a policy has no rules"),
        }
        Some(case)
    }

    fn printed_policy(&self) -> Value {
        let (name, policy) = ("gomemlimit".to_owned(), self.policy.clone());
        let policy = AdmissionPolicy { name, policy, follow_namespaces: self.follow_namespaces };
        policy.json().unwrap()["items"][0].take()
    }

    /// The variables of each container after the core's decision, which a policy adds at the end.
    fn expected(&self) -> Vec<Value> {
        let json = self.pod.to_string();
        let pod = Pod::parse(&json).unwrap();
        let none = NamespaceAnnotations::new();
        let namespace = if self.follow_namespaces { &self.namespace } else { &none };
        let decision = decide(&pod, namespace, &self.policy);
        let variables = containers(&self.pod).zip(&decision.containers).map(|(container, decision)| {
            let mut env = container["env"].as_array().cloned().unwrap_or_default();
            if let Some(value) = decision.outcome.value.filter(|_| decision.is_changed()) {
                if value.kind == ValueKind::Track {
                    let source =
                        json!({"resourceFieldRef": {"resource": LIMITS_MEMORY, "divisor": MIB_DIVISOR}});
                    env.push(json!({"name": GOMEMLIMIT_MIB, "valueFrom": source}));
                }
                env.push(json!({"name": GOMEMLIMIT, "value": value.text()}));
            }
            Value::Array(env)
        });
        variables.collect()
    }
}

/// All containers of a pod, init containers first.
fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers"]
        .into_iter()
        .flat_map(|list| pod["spec"][list].as_array().into_iter().flatten())
}

/// Every text of every setting at every level; every two texts of a setting at two levels; every two settings together.
fn cases() -> Vec<Case> {
    let base = Case::of(pod_of_limits());
    let mut cases: Vec<_> = [pod_of_limits()].into_iter().chain(other_pods()).map(Case::of).collect();
    for (index, case) in cases.clone().iter().enumerate() {
        for mut other in [Setting::Ratio, Setting::Mode, Setting::Value]
            .map(|setting| case.with(Level::Pod, setting, texts(setting)[1]).unwrap())
        {
            cases.push(other.clone());
            other.policy.env_from = EnvFrom::Skip;
            other.policy.init_containers = InitContainers::All;
            other.follow_namespaces = index % 2 == 0;
            other.namespace.insert(format!("{DOMAIN}/headroom"), "300Mi".to_owned());
            cases.push(other);
        }
    }
    for setting in followed() {
        for (strength, &stronger) in LEVELS.iter().enumerate() {
            for text in texts(setting) {
                let Some(case) = base.with(stronger, setting, text) else { continue };
                for &weaker in &LEVELS[strength + 1..] {
                    cases.extend(
                        texts(setting).into_iter().filter_map(|text| case.with(weaker, setting, text)),
                    );
                }
                let later = followed().filter(|other| *other > setting);
                for (other, text) in
                    later.flat_map(|other| texts(other).into_iter().map(move |text| (other, text)))
                {
                    cases.extend(case.with(Level::Pod, other, text));
                }
                cases.push(case);
            }
        }
    }
    cases
}

/// Builds the Go program, whose modules `go` fetches if need be.
fn program() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(root.join("tests/go/toolchain")).arg(GO).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let go = String::from_utf8(output.stdout).unwrap();
    let binary = Path::new(env!("CARGO_TARGET_TMPDIR")).join("admission-policy");
    let built = Command::new(go.trim())
        .args(["build", "-buildvcs=false", "-o"])
        .arg(&binary)
        .arg(".")
        .current_dir(root.join("tests/go/admission-policy"))
        .envs([("GOTOOLCHAIN", "local"), ("GOFLAGS", "-mod=readonly"), ("GOWORK", "off")])
        .envs([("CGO_ENABLED", "0"), ("GO111MODULE", "on")])
        .env_remove("GOROOT")
        .status()
        .unwrap();
    assert!(built.success());
    binary
}

/// The pods as an API server with their policies would store them.
fn stored(cases: &[Case]) -> Vec<Value> {
    let with_same_policy = cases.chunk_by(|one, other| {
        (&one.policy, one.follow_namespaces) == (&other.policy, other.follow_namespaces)
    });
    let input = with_same_policy.map(|cases| {
        let pods = cases.iter().map(|case| {
            let namespace = json!({"metadata": {"name": "shop", "annotations": case.namespace}});
            json!({"namespace": namespace, "pod": case.pod})
        });
        json!({"policy": cases[0].printed_policy(), "pods": pods.collect::<Vec<_>>()})
    });
    let input = input.collect::<Value>().to_string();
    let mut child = Command::new(program())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    writer.join().unwrap().unwrap();
    let pods = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    pods.collect::<Result<_, _>>().unwrap()
}

/// A setting whose samples change nothing would not be tested.
#[test]
fn samples_of_every_setting_count_at_every_level() {
    let base = Case::of(pod_of_limits());
    for setting in followed() {
        for level in LEVELS {
            let with = texts(setting).into_iter().filter_map(|text| base.with(level, setting, text));
            let counts = with.filter(|case| case.expected() != base.expected()).count();
            assert!(counts > 0, "{setting:?} at {level:?}: `texts` or `LIMITS` above need one that counts");
        }
    }
}

#[test]
#[ignore = "needs Go, fetches its modules"]
fn the_api_servers_cel_decides_as_the_core_does() {
    let mut cases = cases();
    cases.sort_by_key(|case| format!("{:?} {}", case.policy, case.follow_namespaces));
    let stored = stored(&cases);
    assert_eq!(stored.len(), cases.len());
    let (mut compared, mut with_value) = (0, 0);
    for (case, stored) in cases.iter().zip(&stored) {
        for ((container, expected), before) in
            containers(stored).zip(case.expected()).zip(containers(&case.pod))
        {
            let env = container.get("env").cloned().unwrap_or_else(|| json!([]));
            let settings = (&case.pod["metadata"], &case.namespace, &case.policy.defaults);
            assert_eq!(env, expected, "policy and core\n{before}\n{settings:?}");
            compared += 1;
            with_value += usize::from(before.get("env").cloned().unwrap_or_else(|| json!([])) != env);
        }
    }
    println!("policy: {} pods, {compared} containers, {with_value} set, no difference", cases.len());
    assert!(with_value > compared / 4, "{with_value} of {compared}");
}
