//! Pods that a generator makes up: settings that make sense or not, limits of every form, everything that keeps a
//! container from a value.

use gomemlimit_core::settings::{Engines, Form, Setting};
use serde_json::{Map, Value, json};

const RATIOS: &[&str] = &[
    "0.5",
    "85%",
    "0.98",
    "0.99",
    "off",
    "0.1",
    "0.0999999",
    "98.5%",
    "nonsense",
    "0.8500000",
    "1",
    "0.1234567",
    "33.3333%",
    "00.7",
    "",
    "0.",
    "%",
    ".5",
    "+0.5",
    "0.85 ",
    "0097.9999%",
    "0.980001",
    "5e-1",
];
const IMAGES: &[&str] = &[
    "gomemlimit.invalid/pause:1",
    "gomemlimit.invalid/pause:1",
    "prom/prometheus:v3.1.0",
    "quay.io/prometheus/prometheus:v2.55.1",
    "docker.io/grafana/alloy:v1.11.0",
    "victoriametrics/vmagent:v1.100.0",
];
const QUANTITIES: &[&str] = &[
    "0",
    "32Mi",
    "100m",
    "1.5Gi",
    "nonsense",
    "1Gi",
    "0.1Gi",
    "-1Mi",
    "10M",
    "123456789Ki",
    "9Ei",
    "1k",
    "1K",
    "1e3",
    "1E",
    "+5Mi",
    ".5Gi",
    "5.",
    "Mi",
    "99999999999999999999",
    "",
];
const LIMITS: &[&str] = &[
    "1Gi",
    "0.1Gi",
    "129e6",
    "16Mi",
    "32Mi",
    "33554431",
    "128974848m",
    "1Ti",
    "123456789Ki",
    "987654321Ki",
    "700M",
    "64Mi",
    "0",
    "12345678901",
    "1.000000001Gi",
    "999999999999999",
    "1e9",
    "3333333333m",
    "4T",
];
const FLAGS: &[&str] = &[
    "--auto-gomemlimit",
    "--auto-gomemlimit=false",
    "--no-auto-gomemlimit",
    "--auto-gomemlimit.ratio=0.8",
    "--verbose",
    "/app",
];

/// Texts that make sense for a setting, or not.
fn texts(setting: Setting) -> Vec<&'static str> {
    match setting.form() {
        Form::Ratio => RATIOS.to_vec(),
        Form::Quantity => QUANTITIES.to_vec(),
        // The first word twice: without `inject` there is no value.
        Form::Words(words) => {
            words.iter().take(1).chain(&words).map(|(word, _)| *word).chain(["no", ""]).collect()
        }
    }
}

/// The same pods for the same seed.
pub struct RandomPods {
    state: u64,
}

impl RandomPods {
    pub fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    /// Below `bound`; xorshift64*.
    fn below(&mut self, bound: usize) -> usize {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let high = self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap() % bound
    }

    fn happens(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn one<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.below(texts.len())]
    }

    fn annotations(&mut self, containers: &[&str]) -> Value {
        let mut annotations = Map::new();
        for setting in Setting::ALL.iter().filter(|setting| setting.engines() == Engines::All) {
            let texts = texts(*setting);
            let setting = setting.as_str();
            let of_containers = containers.iter().map(|name| format!("{setting}.gomemlimit.dev/{name}"));
            for key in of_containers.chain([format!("gomemlimit.dev/{setting}")]) {
                if self.happens(25) {
                    annotations.insert(key, self.one(&texts).into());
                }
            }
        }
        annotations.into()
    }

    fn env(&mut self) -> Value {
        let count = self.below(4);
        let variables = (0..count).map(|place| match self.below(20) {
            0 => json!({"name": "GOMEMLIMIT", "value": self.one(&["", "1", "off"])}),
            1..4 => json!({"name": "AUTOMEMLIMIT", "value": self.one(&["off", "", "0.9"])}),
            5 => json!({"name": "GOMEMLIMIT_MIB", "value": "7"}),
            4 => json!({"name": "AUTOMEMLIMIT", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
            // Names twice are common, and legal.
            _ => json!({"name": self.one(&["PORT", "LOG_LEVEL"]), "value": place.to_string()}),
        });
        variables.collect()
    }

    fn container(&mut self, name: &str, is_init: bool) -> Value {
        let mut container = json!({"name": name, "image": self.one(IMAGES)});
        if self.happens(75) {
            container["resources"] =
                json!({"limits": {"memory": self.one(LIMITS)}, "requests": {"memory": "0"}});
        }
        if self.happens(50) {
            container["env"] = self.env();
        }
        if self.happens(20) {
            container["args"] = json!([self.one(FLAGS), self.one(FLAGS)]);
        }
        if self.happens(10) {
            container["command"] = json!([self.one(FLAGS)]);
        }
        if self.happens(15) {
            let prefix = self.one(&["", "GO", "X", "GOMEMLIMIT", "GOMEMLIMITX"]);
            container["envFrom"] = json!([{"prefix": prefix, "configMapRef": {"name": "settings"}}]);
        }
        if is_init && self.happens(60) {
            container["restartPolicy"] = "Always".into();
        }
        container
    }
}

impl Iterator for RandomPods {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        let names = ["api", "b-1", "c0", "init", "proxy"];
        let (count, init_count) = (1 + self.below(3), self.below(3));
        let containers: Vec<_> = names[..count].iter().map(|name| self.container(name, false)).collect();
        let init: Vec<_> = names[3..3 + init_count].iter().map(|name| self.container(name, true)).collect();
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "random"},
            "spec": {"containers": containers, "initContainers": init},
        });
        if self.happens(70) {
            pod["metadata"]["annotations"] = self.annotations(&names);
        }
        if self.happens(10) {
            let value = self.one(&["disabled", "false", "enabled", "maybe"]);
            pod["metadata"]["labels"] = json!({"gomemlimit.dev/inject": value});
        }
        if self.happens(30) {
            let limit = self.one(&["2Gi", "0.5Gi", "4T", "987654321Ki"]);
            pod["spec"]["resources"] = json!({"limits": {"memory": limit}});
        }
        if self.happens(5) {
            pod["spec"]["os"] = json!({"name": self.one(&["windows", "linux"])});
        }
        if self.happens(5) {
            pod["spec"]["nodeSelector"] = json!({"kubernetes.io/os": self.one(&["windows", "linux"])});
        }
        Some(pod)
    }
}
