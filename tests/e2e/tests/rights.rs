//! The webhook has the rights it needs, and no other; its pods fit where pods are restricted.

use std::collections::BTreeMap;

use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::json;

use crate::harness::{
    FULLNAME, LONG, RELEASE_NAMESPACE, Release, check, client, kubectl, kubectl_json, patch, try_kubectl,
    wait_for,
};

/// Files with the rights of the program.
const ROLES: [&str; 2] = ["role", "clusterrole"];

/// Who has rights: the replicas, or the keeper beside replicas without any.
struct Mode {
    values: &'static str,
    /// What its roles, account and Deployment are called.
    name: String,
    component: &'static str,
    /// The Secrets that it fills.
    secrets: &'static [&'static str],
    /// What it may do something about.
    resources: &'static [&'static str],
    /// How many rights it has.
    rights: usize,
}

fn rules_of(kind: &str, name: &str) -> Vec<PolicyRule> {
    let role = kubectl_json(&["get", kind, name, "-n", RELEASE_NAMESPACE]);
    serde_json::from_value(role["rules"].clone()).unwrap()
}

fn set_rules(kind: &str, name: &str, rules: &[PolicyRule]) {
    patch(&[kind, name, "-n", RELEASE_NAMESPACE], "merge", &json!({ "rules": rules }));
}

impl Mode {
    /// One for whom everything is left to do: a CA to make, a bundle to write, a Secret to fill, namespaces to read.
    async fn start_from_nothing(&self) -> String {
        let scale = |replicas: &str| {
            let replicas = format!("--replicas={replicas}");
            kubectl(&["scale", "deployment", &self.name, "-n", RELEASE_NAMESPACE, &replicas]);
        };
        scale("0");
        let ours = format!("app.kubernetes.io/component={}", self.component);
        // By force it would be gone from the API and restore the Secret for the time of its shutdown delay.
        kubectl(&["delete", "pods", "-n", RELEASE_NAMESPACE, "-l", &ours, "--grace-period=1", "--wait"]);
        for secret in self.secrets {
            patch(&["secret", secret, "-n", RELEASE_NAMESPACE], "merge", &json!({"data": null}));
        }
        scale("1");
        wait_for("a new one runs", LONG, async || {
            let running = ["get", "pods", "-n", RELEASE_NAMESPACE, "-l", &ours];
            let columns = "-o=custom-columns=N:.metadata.name,P:.status.phase,D:.metadata.deletionTimestamp";
            let pods = kubectl(&[&running[..], &["--no-headers", columns]].concat());
            let words: Vec<_> = pods.split_whitespace().collect();
            let [name, "Running", "<none>"] = words[..] else { return Err(pods) };
            Ok(name.to_owned())
        })
        .await
    }

    /// With these rules it reports that it may not do `verb`.
    async fn check_refused(
        &self,
        release: &Release,
        kind: &str,
        fewer: &[PolicyRule],
        verb: &str,
        resource: &str,
    ) {
        set_rules(kind, &self.name, fewer);
        let name = self.start_from_nothing().await;
        // As in the log, which is JSON.
        let refused = format!("cannot {verb} resource \\\"{resource}\\\"");
        wait_for(&format!("a {} without {verb} {resource} says so", self.component), LONG, async || {
            let log = try_kubectl(&["logs", "-n", RELEASE_NAMESPACE, &name], "")?;
            let metrics = release.admin(&name, "metrics");
            let unwatched =
                metrics.lines().any(|line| line.starts_with("gomemlimit_watch_up{") && line.ends_with(" 0"));
            let readyz = try_kubectl(&["get", "--raw", &ready_path(&name)], "");
            let is_seen = unwatched || !readyz.as_ref().is_ok_and(|said| said.trim() == "ok");
            check(is_seen && log.contains(&refused), || format!("readyz: {readyz:?}, log: {log}"))
        })
        .await;
    }

    async fn every_right_is_needed_and_there_is_no_other(&self, client: &kube::Client) {
        let one = ["--set", "replicaCount=1,minReadySeconds=0,podDisruptionBudget.enabled=false"];
        let release = Release::fresh_and_ready(client, &[&one[..], &["--set", self.values]].concat()).await;
        let rules: BTreeMap<_, _> = ROLES.iter().map(|kind| (*kind, rules_of(kind, &self.name))).collect();
        let mut tried = 0;
        for (kind, rules) in &rules {
            for (place, rule) in rules.iter().enumerate() {
                let [resource] = &rule.resources.clone().unwrap()[..] else { panic!("{rule:?}") };
                for verb in &rule.verbs {
                    let mut fewer = rules.clone();
                    fewer[place].verbs.retain(|other| other != verb);
                    self.check_refused(&release, kind, &fewer, verb, resource).await;
                    println!("rights: {}: without {verb} on {resource}: noticed and said", self.component);
                    tried += 1;
                }
                let names = rule.resource_names.clone().unwrap_or_default();
                for name in names.iter().filter(|_| names.len() > 1) {
                    let mut fewer = rules.clone();
                    fewer[place].resource_names =
                        Some(names.iter().filter(|one| *one != name).cloned().collect());
                    self.check_refused(&release, kind, &fewer, "list", resource).await;
                    println!("rights: {}: without {resource}/{name}: noticed and said", self.component);
                    tried += 1;
                }
            }
            set_rules(kind, &self.name, rules);
        }
        assert_eq!(tried, self.rights, "{rules:?}");
        self.start_from_nothing().await;
        release.wait_for_bundles().await;
        release.assert_ready().await;
        // What it may do is what was just tried.
        assert_eq!(beyond(&self.name, self.resources), [""; 0]);
        let account = account(&self.name);
        let may_not = [
            ["create", "secrets"],
            ["get", "secrets/other"],
            ["list", "secrets"],
            ["create", "mutatingwebhookconfigurations"],
            ["delete", "mutatingwebhookconfigurations/gomemlimit"],
            ["update", "mutatingwebhookconfigurations/gomemlimit"],
            ["get", "pods"],
            ["patch", "namespaces"],
        ];
        for [verb, what] in may_not {
            let said = try_kubectl(&["auth", "can-i", verb, what, &account, "-n", RELEASE_NAMESPACE], "");
            assert!(said.is_err_and(|said| said.contains("no")), "{verb} {what}");
        }
    }
}

fn account(name: &str) -> String {
    format!("--as=system:serviceaccount:{RELEASE_NAMESPACE}:{name}")
}

/// What an account may do beyond these resources, and what every account may.
fn beyond(name: &str, resources: &[&str]) -> Vec<String> {
    let may = kubectl(&["auth", "can-i", "--list", &account(name), "-n", RELEASE_NAMESPACE, "--no-headers"]);
    println!("rights of {name}:\n{may}");
    let is_everybodys = |line: &&str| {
        line.contains("selfsubject")
            || line.starts_with("clustertrustbundles")
            || line.contains('/')
            || line.trim().starts_with('[')
    };
    may.lines()
        .filter(|line| !is_everybodys(line))
        .filter(|line| !resources.iter().any(|ours| line.starts_with(ours)))
        .map(str::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_right_is_needed_and_there_is_no_other() {
    let client = client().await;
    let replicas = Mode {
        values: "tls.selfManaged.keeper=replica",
        name: FULLNAME.to_owned(),
        component: "webhook",
        secrets: &["gomemlimit-ca"],
        resources: &["secrets ", "mutatingwebhookconfigurations.", "namespaces "],
        rights: 8,
    };
    replicas.every_right_is_needed_and_there_is_no_other(&client).await;
    Release::remove(&client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_separate_keeper_replicas_have_no_right_and_the_keeper_needs_each_of_its_own() {
    let client = client().await;
    let keeper = Mode {
        values: "tls.selfManaged.keeper=separate,namespaceSettings=false",
        name: format!("{FULLNAME}-keeper"),
        component: "keeper",
        secrets: &["gomemlimit-ca", "gomemlimit-serving"],
        resources: &["secrets ", "mutatingwebhookconfigurations."],
        rights: 8,
    };
    keeper.every_right_is_needed_and_there_is_no_other(&client).await;
    assert_eq!(beyond(FULLNAME, &[]), [""; 0], "the replicas' account");
    Release::remove(&client).await;
}

fn ready_path(pod: &str) -> String {
    format!("/api/v1/namespaces/{RELEASE_NAMESPACE}/pods/{pod}:8081/proxy/readyz")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pods_fit_into_a_restricted_namespace() {
    let client = client().await;
    Release::remove(&client).await;
    let _ = try_kubectl(&["create", "namespace", RELEASE_NAMESPACE], "");
    let label = |change: &str| kubectl(&["label", "namespace", RELEASE_NAMESPACE, "--overwrite", change]);
    label("pod-security.kubernetes.io/enforce=restricted");
    let root = try_kubectl(
        &["run", "root", "--image=gomemlimit.invalid/root:1", "-n", RELEASE_NAMESPACE, "--dry-run=server"],
        "",
    );
    let refused = root.unwrap_err();
    assert!(refused.contains("violates PodSecurity"), "{refused}");
    let release = Release::fresh_and_ready(&client, &[]).await;
    release.test();
    label("pod-security.kubernetes.io/enforce-");
    println!("rights: Pod Security `restricted`: the release and its tests run, a plain pod is refused");
}
