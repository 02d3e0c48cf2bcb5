//! The policy of `gomemlimit policy` beside the webhook, the API server evaluating both: the same values, but for
//! the differences that docs/policy-engine.md lists.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use kube::Client;
use serde_json::{Value, json};

use crate::{
    corpus::{MANIFESTS, template},
    harness::{
        LONG, Manifest, Namespace, Release, VALUE_1GI, Webhook, check, client, gated_pod, gomemlimit,
        is_own_cluster, kubectl, try_kubectl, values, wait_for,
    },
    random_pods::RandomPods,
    reinvocation::raise_limit,
};

/// What the command prints; `tests/admission_policy/mod.rs` holds the two together.
const POLICY: &str = include_str!("../../../charts/gomemlimit/files/policy.yaml");
const MORE_MANIFESTS: &str = include_str!("../../manifests/policy.yaml");
const PAGE: &str = include_str!("../../../docs/policy-engine.md");

const POLICY_LABEL: (&str, &str) = ("gomemlimit.dev/e2e", "policy");
const WEBHOOK_LABEL: (&str, &str) = ("gomemlimit.dev/inject", "enabled");

/// Pods of the generator, half of them in namespaces with settings.
const RANDOM_PODS: usize = 200;

/// Whether the API server evaluates policies; says what is left out where it does not.
fn has_policies() -> bool {
    let served = kubectl(&["get", "--raw", "/apis/admissionregistration.k8s.io/v1"]);
    let has = served.contains("mutatingadmissionpolicies");
    if !has {
        println!("SKIPPED on a cluster before Kubernetes 1.36: MutatingAdmissionPolicy");
    }
    has
}

/// The policy and its binding, for namespaces with `POLICY_LABEL` only; gone when this is dropped.
struct Applied;

impl Applied {
    async fn policy(client: &Client) -> Self {
        let mut objects: Vec<Value> = serde_saphyr::from_multiple(POLICY).unwrap();
        for object in &mut objects {
            object["metadata"]["name"] = "gomemlimit-e2e".into();
        }
        // An error must be seen.
        objects[0]["spec"]["failurePolicy"] = "Fail".into();
        objects[1]["spec"]["policyName"] = "gomemlimit-e2e".into();
        objects[1]["spec"]["matchResources"]["namespaceSelector"] =
            json!({"matchLabels": {POLICY_LABEL.0: POLICY_LABEL.1}});
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let applied = Self;
        try_kubectl(&["apply", "-f", "-"], &list.to_string()).unwrap();
        let namespace = Namespace::new(client, &[POLICY_LABEL], &[]).await;
        wait_for("the API server evaluates the policy", LONG, async || {
            let pod = Manifest(gated_pod("first", "1Gi")).dry_run(client, &namespace.name).await.unwrap();
            check(values(&pod, "app") == [VALUE_1GI], || format!("{pod}"))
        })
        .await;
        applied
    }
}

impl Drop for Applied {
    fn drop(&mut self) {
        for kind in ["mutatingadmissionpolicybinding", "mutatingadmissionpolicy"] {
            let _ = try_kubectl(&["delete", kind, "gomemlimit-e2e", "--ignore-not-found"], "");
        }
    }
}

/// Two namespaces that differ in who sets values.
struct Pair {
    webhook: Namespace,
    policy: Namespace,
}

/// Container → its values by the webhook and by the policy.
type Outcome = BTreeMap<String, [Vec<String>; 2]>;

impl Pair {
    async fn new(client: &Client, annotations: &[(&str, &str)]) -> Self {
        Self {
            webhook: Namespace::new(client, &[WEBHOOK_LABEL], annotations).await,
            policy: Namespace::new(client, &[POLICY_LABEL], annotations).await,
        }
    }

    /// What would be stored; `None` where the API server refuses the pod in both.
    async fn outcome(&self, client: &Client, pod: &Value) -> Option<Outcome> {
        let manifest = Manifest(pod.clone());
        let by_webhook = manifest.dry_run(client, &self.webhook.name).await;
        let by_policy = manifest.dry_run(client, &self.policy.name).await;
        let (by_webhook, by_policy) = match (by_webhook, by_policy) {
            (Ok(by_webhook), Ok(by_policy)) => (by_webhook, by_policy),
            (Err(kube::Error::Api(one)), Err(kube::Error::Api(other)))
                if one.code == other.code && one.code < 500 && !other.message.contains("AdmissionPolicy") =>
            {
                return None;
            }
            (one, other) => panic!("{pod}\nwebhook: {one:?}\npolicy: {other:?}"),
        };
        let both = |name: &str| [variables(&by_webhook, name), variables(&by_policy, name)];
        let names = ["initContainers", "containers"]
            .into_iter()
            .flat_map(|list| by_webhook["spec"][list].as_array().into_iter().flatten())
            .map(|container| container["name"].as_str().unwrap());
        Some(names.map(|name| (name.to_owned(), both(name))).collect())
    }
}

/// Everything that a container has from us or in our place, in order: texts, or sources as JSON.
fn variables(pod: &Value, container: &str) -> Vec<String> {
    let lists = ["initContainers", "containers"];
    let containers = lists.iter().flat_map(|list| pod["spec"][list].as_array().into_iter().flatten());
    let container = containers.into_iter().find(|one| one["name"] == container).unwrap();
    let env = container["env"].as_array().into_iter().flatten();
    let ours = env.filter(|variable| variable["name"].as_str().unwrap().starts_with("GOMEMLIMIT"));
    let text = |variable: &Value| match &variable["valueFrom"] {
        Value::Null => variable["value"].as_str().unwrap_or_default().to_owned(),
        source => source.to_string(),
    };
    ours.map(text).collect()
}

/// The pods of manifests, by case.
fn pods(manifests: &str) -> Vec<(String, Value)> {
    let manifests: Vec<Value> = serde_saphyr::from_multiple(manifests).unwrap();
    let pod = |mut manifest: Value| {
        let template = template(&mut manifest).clone();
        let case = template["metadata"]["annotations"]["case"].as_str().unwrap().to_owned();
        let mut metadata = template["metadata"].clone();
        metadata["name"] = case.to_ascii_lowercase().into();
        (case, json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}))
    };
    manifests.into_iter().map(pod).collect()
}

/// Rows of the page: case, container, value by the webhook, value by the policy.
fn documented() -> BTreeSet<[String; 4]> {
    let section = PAGE.split("## Differences").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect();
        cells[1..5].to_vec().try_into().unwrap()
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhook_and_policy_agree_on_the_corpus() {
    if !has_policies() {
        return;
    }
    let client = client().await;
    Release::shared(&client).await.assert_ready().await;
    let _policy = Applied::policy(&client).await;
    let (shop, bounded) = (Pair::new(&client, &[]).await, Pair::new(&client, &[]).await);
    let range = json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "default"},
        "spec": {"limits": [{"type": "Container", "default": {"memory": "256Mi"}, "defaultRequest": {"memory": "128Mi"}}]},
    });
    for namespace in [&bounded.webhook, &bounded.policy] {
        Manifest(range.clone()).create(&client, &namespace.name).await.unwrap();
    }
    wait_for("the LimitRange is known", LONG, async || {
        let mut pod = gated_pod("bounded", "1Gi");
        pod["spec"]["containers"][0]["resources"] = json!({});
        let outcome = bounded.outcome(&client, &pod).await.unwrap();
        let wanted = ["241591910".to_owned()];
        check(outcome["app"].iter().all(|values| *values == wanted), || format!("{outcome:?}"))
    })
    .await;

    let (mut containers, mut with_value, mut differences) = (0, 0, BTreeSet::new());
    let all = [pods(MANIFESTS), pods(MORE_MANIFESTS)].concat();
    for (case, pod) in &all {
        let pair = if case == "limit-range-default" { &bounded } else { &shop };
        let outcome = pair.outcome(&client, pod).await.unwrap_or_else(|| panic!("{case} is refused"));
        for (container, [webhook, policy]) in outcome {
            containers += 1;
            with_value += usize::from(webhook != variables(pod, &container));
            if webhook != policy {
                differences.insert([case.clone(), container, webhook.join(", "), policy.join(", ")]);
            }
        }
    }
    println!(
        "policy: {} pods, {containers} containers, {with_value} set by the webhook, {} differences",
        all.len(),
        differences.len()
    );
    assert_eq!(differences, documented(), "what differs, and what docs/policy-engine.md says");
    assert!(with_value > 80, "{with_value}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhook_and_policy_agree_on_random_pods() {
    if !has_policies() {
        return;
    }
    let client = client().await;
    Release::shared(&client).await.assert_ready().await;
    let _policy = Applied::policy(&client).await;
    let plain = Pair::new(&client, &[]).await;
    let settings = [("ratio", "0.8"), ("headroom", "100Mi"), ("min-limit", "48Mi"), ("mode", "audit")]
        .map(|(name, value)| (format!("gomemlimit.dev/{name}"), value));
    let settings: Vec<_> = settings.iter().map(|(key, value)| (&**key, *value)).collect();
    let with_settings = Pair::new(&client, &settings).await;
    let mut probe = gated_pod("known", "1Gi");
    probe["metadata"]["annotations"] = json!({"gomemlimit.dev/mode": "inject"});
    // Both replicas have to know what the namespace says.
    let mut in_a_row = 0;
    wait_for("the namespace's settings hold", LONG, async || {
        let outcome = with_settings.outcome(&client, &probe).await.unwrap();
        let wanted = ["858993459".to_owned()];
        let holds = outcome["app"].iter().all(|values| *values == wanted);
        in_a_row = if holds { in_a_row + 1 } else { 0 };
        check(in_a_row == 8, || format!("{outcome:?}"))
    })
    .await;

    let (mut refused, mut containers, mut with_value) = (0, 0, 0);
    for (index, pod) in RandomPods::new(1).take(RANDOM_PODS).enumerate() {
        let pair = if index % 2 == 0 { &plain } else { &with_settings };
        let Some(outcome) = pair.outcome(&client, &pod).await else {
            refused += 1;
            continue;
        };
        for (container, [webhook, policy]) in outcome {
            assert_eq!(policy, webhook, "container {container} of pod {index}: {pod}");
            containers += 1;
            with_value += usize::from(webhook != variables(&pod, &container));
        }
    }
    println!(
        "policy: {RANDOM_PODS} random pods, {refused} of them refused by validation, {containers} containers, \
         {with_value} set, no difference"
    );
    assert!(with_value > RANDOM_PODS / 4 && refused < RANDOM_PODS / 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_huge_pod_stays_below_the_limit_for_the_cost_of_an_expression() {
    const CONTAINERS: usize = 100;
    const VARIABLES: usize = 200;
    if !has_policies() {
        return;
    }
    let client = client().await;
    let _policy = Applied::policy(&client).await;
    let namespace = Namespace::new(&client, &[POLICY_LABEL], &[]).await;
    let variables: Vec<_> =
        (0..VARIABLES).map(|number| json!({"name": format!("V{number}"), "value": "x"})).collect();
    let mut pod = gated_pod("huge", "1Gi");
    let mut container = pod["spec"]["containers"][0].clone();
    container["env"] = variables.into();
    let containers = (0..CONTAINERS).map(|number| {
        container["name"] = format!("c{number}").into();
        pod["metadata"]["annotations"][format!("headroom.gomemlimit.dev/c{number}")] =
            format!("{}Mi", 110 + number).into();
        container.clone()
    });
    let containers: Vec<_> = containers.collect();
    pod["spec"]["containers"] = containers.into();
    let stored = Manifest(pod).dry_run(&client, &namespace.name).await.unwrap();
    for number in 0..CONTAINERS {
        let value = (1_073_741_824 - ((110 + number) << 20)).to_string();
        assert_eq!(values(&stored, &format!("c{number}")), [value], "c{number}");
    }
    println!("policy: a pod of {CONTAINERS} containers with {VARIABLES} variables and a setting each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_value_of_a_policy_does_not_follow_a_later_webhook() {
    if !has_policies() || !is_own_cluster("webhooks of the test's own") {
        return;
    }
    let client = client().await;
    let _policy = Applied::policy(&client).await;
    let namespace = Namespace::new(&client, &[POLICY_LABEL], &[]).await;
    let _vpa = Webhook::start("z-e2e-policy-vpa", &namespace.name, raise_limit).await;
    let pod = Manifest(gated_pod("raised", "1Gi"));
    let raised = wait_for("the other webhook is known to the API server", LONG, async || {
        let pod = pod.dry_run(&client, &namespace.name).await.unwrap();
        let limit = pod["spec"]["containers"][0]["resources"]["limits"]["memory"].clone();
        check(limit == "2Gi", || limit.to_string()).map(|()| pod)
    })
    .await;
    assert_eq!(values(&raised, "app"), [VALUE_1GI], "as docs/policy-engine.md says");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chart_installs_the_policy_and_takes_it_away() {
    if !has_policies() {
        return;
    }
    let client = client().await;
    let started = Instant::now();
    let release =
        Release::fresh(&client, &["--set", "engine=policy", "--set-string", "settings.ratio=0.8"]).await;
    let namespace = Namespace::labelled(&client).await;
    wait_for("a pod gets its value", LONG, async || {
        let pod = Manifest(gated_pod("by-chart", "1Gi")).dry_run(&client, &namespace.name).await.unwrap();
        check(values(&pod, "app") == ["858993459"], || format!("{:?}", values(&pod, "app")))
    })
    .await;
    assert!(release.pods().await.is_empty(), "a policy has no pods");
    let walked = gomemlimit(&["check", "-n", &namespace.name]);
    assert_eq!(walked.code, 0, "{}{}", walked.stdout, walked.stderr);
    assert!(walked.stdout.contains("the MutatingAdmissionPolicy gomemlimit decides"), "{}", walked.stdout);
    assert!(!walked.stdout.contains("unknown"), "{}", walked.stdout);
    kubectl(&["delete", "mutatingadmissionpolicybinding", "gomemlimit"]);
    let walked = gomemlimit(&["check", "-n", &namespace.name]);
    assert!(walked.stdout.contains("The first failed check is binding: "), "{}", walked.stdout);
    println!("policy: the first value {:.1} s after helm install began", started.elapsed().as_secs_f64());
    Release::remove(&client).await;
    let left = kubectl(&["get", "mutatingadmissionpolicies,mutatingadmissionpolicybindings", "-o", "name"]);
    assert_eq!(left.trim(), "", "nothing is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_pod_costs() {
    const PODS: usize = 150;
    if !has_policies() {
        return;
    }
    let client = client().await;
    Release::shared(&client).await.assert_ready().await;
    let _policy = Applied::policy(&client).await;
    let pair = Pair::new(&client, &[]).await;
    let neither = Namespace::new(&client, &[], &[]).await;
    let pod = Manifest(gated_pod("cost", "1Gi"));
    let mut times: BTreeMap<&str, Vec<u128>> = BTreeMap::new();
    for _ in 0..PODS {
        for (who, namespace) in [("none", &neither), ("policy", &pair.policy), ("webhook", &pair.webhook)] {
            let started = Instant::now();
            pod.dry_run(&client, &namespace.name).await.unwrap();
            times.entry(who).or_default().push(started.elapsed().as_micros());
        }
    }
    // Figures of a busy machine: printed, and nothing is asserted of them.
    let text = times.iter_mut().map(|(who, times)| {
        times.sort_unstable();
        let at = |share: usize| f64::from(u32::try_from(times[PODS * share / 100]).unwrap()) / 1000.0;
        format!("{who} {:.2} / {:.2}", at(50), at(99))
    });
    println!(
        "policy: a pod by dry run, {PODS} each, ms at 50 % / 99 %: {}",
        text.collect::<Vec<_>>().join(", ")
    );
}
