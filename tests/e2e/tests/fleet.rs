//! A fleet with every status, made on purpose, is reported exactly as it is; then it changes, and so does the report.

use serde_json::{Value, json};

use crate::harness::{
    LONG, Manifest, Namespace, Release, check, client, demo_image, gomemlimit, is_own_cluster, kubectl,
    resize, try_kubectl, wait_for,
};

/// Pod, container, limit, GOMEMLIMIT, status, reason, what ended it. A line a container, sorted.
const REPORT: &str = "\
above app 64Mi 100MiB above-limit - -
at-limit app 64Mi - at-limit - -
below app 16Mi - uncovered below-minimum -
broken app 64Mi 48Mi malformed - exit-2
by-config-map app 64Mi - opaque - -
by-expansion app 64Mi $(MIB)MiB covered - -
fits app 64Mi 60397977 covered - -
follows app 64Mi 60397977 covered - -
init app 64Mi 60397977 covered - -
init setup 32Mi - uncovered init-container -
init sidecar 32Mi 30198988 covered - -
low app 64Mi 1MiB too-low - -
mode-audit app 64Mi - uncovered audit-mode -
no-limit app - - uncovered no-memory-limit -
node-size app - - uncovered no-memory-limit -
oom app 32Mi 30198988 covered - OOMKilled
opted-out app 64Mi - uncovered opted-out -
resized app 64Mi 60397977 covered - -
self-managed app 64Mi - uncovered self-managed -
shared app - - uncovered shared-pod-limit -
shared other - - uncovered shared-pod-limit -
switched-off app 64Mi off off - -
users app 64Mi 50MiB covered - -
";

/// A pod that runs a small Go program.
fn pod(name: &str, limit: Option<&str>, env: &Value) -> Value {
    let mut resources = json!({"requests": {"memory": "1Mi"}});
    if let Some(limit) = limit {
        resources["limits"] = json!({"memory": limit});
    }
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {}, "annotations": {}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "app", "image": "gomemlimit.invalid/pause:1", "imagePullPolicy": "Never",
                "resources": resources, "env": env,
            }],
        },
    })
}

fn literal(value: &str) -> Value {
    json!([{"name": "GOMEMLIMIT", "value": value}])
}

fn from(source: &Value) -> Value {
    json!([{"name": "GOMEMLIMIT", "valueFrom": source}])
}

fn whole_limit() -> Value {
    from(&json!({"resourceFieldRef": {"resource": "limits.memory"}}))
}

fn fleet() -> Vec<Value> {
    let none = json!([]);
    let usual = Some("64Mi");
    let with = |mut pod: Value, change: &dyn Fn(&mut Value)| {
        change(&mut pod);
        pod
    };
    let by_config_map = json!({"configMapKeyRef": {"name": "limits", "key": "limit", "optional": true}});
    let container = |name: &str, limit: &str| {
        let mut container = pod("", Some(limit), &json!([]))["spec"]["containers"][0].clone();
        container["name"] = name.into();
        container
    };
    vec![
        pod("fits", usual, &none),
        pod("resized", usual, &none),
        pod("follows", usual, &none),
        pod("users", usual, &literal("50MiB")),
        pod("at-limit", usual, &whole_limit()),
        pod("node-size", None, &whole_limit()),
        pod("above", usual, &literal("100MiB")),
        pod("broken", usual, &literal("48Mi")),
        pod("low", usual, &literal("1MiB")),
        pod("by-config-map", usual, &from(&by_config_map)),
        pod(
            "by-expansion",
            usual,
            &json!([{"name": "MIB", "value": "50"}, {"name": "GOMEMLIMIT", "value": "$(MIB)MiB"}]),
        ),
        pod("switched-off", usual, &literal("off")),
        pod("no-limit", None, &none),
        pod("below", Some("16Mi"), &none),
        pod("self-managed", usual, &json!([{"name": "AUTOMEMLIMIT", "value": "0.9"}])),
        with(pod("opted-out", usual, &none), &|pod| {
            pod["metadata"]["labels"] = json!({"gomemlimit.dev/inject": "disabled"});
        }),
        with(pod("mode-audit", usual, &none), &|pod| {
            pod["metadata"]["annotations"] = json!({"gomemlimit.dev/mode": "audit"});
        }),
        with(pod("shared", None, &none), &|pod| {
            pod["spec"]["resources"] = json!({"limits": {"memory": "128Mi"}});
            let mut other = pod["spec"]["containers"][0].clone();
            other["name"] = "other".into();
            pod["spec"]["containers"].as_array_mut().unwrap().push(other);
        }),
        with(pod("init", usual, &none), &|pod| {
            let mut setup = container("setup", "32Mi");
            // It fails at once, so the pod stays at its first step, where its containers are judged by the spec.
            setup["command"] = json!(["/missing"]);
            let mut sidecar = container("sidecar", "32Mi");
            sidecar["restartPolicy"] = "Always".into();
            pod["spec"]["initContainers"] = json!([setup, sidecar]);
        }),
        // Holds more than its limit.
        with(pod("oom", Some("32Mi"), &none), &|pod| {
            let container = &mut pod["spec"]["containers"][0];
            container["image"] = demo_image().into();
            container["args"] = json!(["serve", "-live=150MiB"]);
        }),
    ]
}

/// The report in the words of `REPORT`.
fn summary_of(report: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let containers = report["containers"].as_array().unwrap();
    let mut lines: Vec<String> = containers
        .iter()
        .map(|one| {
            let limit = one["limit"].as_u64().map_or("-".to_owned(), |bytes| format!("{}Mi", bytes >> 20));
            let end = &one["lastTermination"];
            let end = match (one["oomKilled"].as_bool(), one["malformedCrash"].as_bool()) {
                (Some(true), _) => text(&end["reason"]),
                (_, Some(true)) => format!("exit-{}", end["exitCode"]),
                _ => "-".to_owned(),
            };
            let [pod, name, value, status, reason] =
                ["pod", "container", "value", "status", "reason"].map(|key| text(&one[key]));
            format!("{pod} {name} {limit} {value} {status} {reason} {end}\n")
        })
        .collect();
    lines.sort();
    lines.concat()
}

fn audit(namespace: &str) -> Value {
    let ran = gomemlimit(&["audit", "-n", namespace, "-o", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.json()
}

/// What is said of one pod: status and reason.
fn of(namespace: &str, pod: &str) -> (String, String) {
    let report = audit(namespace);
    let containers = report["containers"].as_array().unwrap();
    let one = containers.iter().find(|one| one["pod"] == pod).unwrap_or_else(|| panic!("no {pod}: {report}"));
    let text = |key: &str| one[key].as_str().unwrap_or("-").to_owned();
    (text("status"), text("reason"))
}

fn pair(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_with_every_status_is_reported_exactly() {
    let client = client().await;
    if !is_own_cluster("pods of the fleet run the image of tests/e2e/up") {
        return;
    }
    let release = Release::shared(&client).await;
    release.assert_ready().await;
    let namespace = Namespace::labelled(&client).await;
    let name = &namespace.name;
    kubectl(&["create", "configmap", "limits", "-n", name, "--from-literal=limit=1GiB"]);
    for pod in fleet() {
        Manifest(pod).create(&client, name).await.unwrap();
    }
    wait_for("the fleet is reported as it was made", LONG, async || {
        let seen = summary_of(&audit(name));
        check(seen == REPORT, || format!("\n{seen}\ninstead of\n{REPORT}"))
    })
    .await;

    the_summary_and_the_exit_codes(name);
    in_place_resize(name).await;
    a_removed_label(&client, &namespace).await;
    an_explained_pod(name);
    an_edited_policy_file(&release, name).await;
    let table = gomemlimit(&["audit", "-n", name]);
    println!("fleet:\n{}{}", table.stdout.replace(name.as_str(), "shop"), table.stderr);
}

/// The report decides by the current policy file of the webhook.
async fn an_edited_policy_file(release: &Release, name: &str) {
    assert_eq!(of(name, "below"), pair("uncovered", "below-minimum"));
    let edits = [(json!({"set": {"minLimit": "8Mi"}}), "not-injected"), (json!({"is": "not-go"}), "not-go")];
    for (mut rule, reason) in edits {
        rule["name"] = "fleet".into();
        rule["match"] = json!({"namespaces": [name]});
        release.upgrade(&["--set-json", &format!("policy.rules={}", json!([rule]))]);
        wait_for(&format!("the policy file says {reason}"), LONG, async || {
            let seen = of(name, "below");
            check(seen == pair("uncovered", reason), || format!("{seen:?}"))
        })
        .await;
        assert_eq!(of(name, "users"), pair("covered", "-"), "a value of the user's is what it was");
    }
    release.upgrade(&["--reset-values"]);
    wait_for("the policy file is gone", LONG, async || {
        let seen = of(name, "below");
        check(seen == pair("uncovered", "below-minimum"), || format!("{seen:?}"))
    })
    .await;
}

fn the_summary_and_the_exit_codes(name: &str) {
    let total = &audit(name)["summary"]["namespaces"][name];
    let counts = ["covered", "at-limit", "above-limit", "malformed", "too-low", "opaque", "off", "uncovered"];
    assert_eq!(counts.map(|word| total[word].as_u64().unwrap()), [8, 1, 1, 1, 1, 1, 1, 9], "{total}");
    assert_eq!((&total["oomKilled"], &total["malformedCrashes"]), (&json!(1), &json!(1)), "{total}");
    assert_eq!(total["reasons"]["no-memory-limit"], 2, "{total}");
    let code = |arguments: &[&str]| gomemlimit(&[&["audit", "-n", name][..], arguments].concat()).code;
    assert_eq!(code(&["--fail-on", "malformed"]), 1);
    assert_eq!(code(&["--fail-on", "stale,not-labelled"]), 0);
    assert_eq!(code(&["--fail-on", "oom-killed"]), 1);
    let only =
        gomemlimit(&["audit", "-n", name, "--only", "malformed-crash,oom-killed", "-o", "json"]).json();
    let pods: Vec<_> = only["containers"].as_array().unwrap().iter().map(|one| one["pod"].clone()).collect();
    assert_eq!(pods, ["broken", "oom"]);
    let metrics = gomemlimit(&["audit", "-n", name, "-o", "prometheus"]).stdout;
    let line = format!("gomemlimit_containers{{namespace=\"{name}\",status=\"uncovered\"}} 9");
    assert!(metrics.lines().any(|one| one == line), "{metrics}");
}

async fn in_place_resize(name: &str) {
    let resize = |pod: &str, limit: &str, request: &str| {
        resize(name, pod, &json!({"limits": {"memory": limit}, "requests": {"memory": request}}));
    };
    resize("resized", "128Mi", "1Mi");
    wait_for("a resized pod is stale", LONG, async || {
        let seen = of(name, "resized");
        check(seen == pair("stale", "-"), || format!("{seen:?}"))
    })
    .await;
    let report = audit(name);
    let containers = report["containers"].as_array().unwrap();
    let resized = containers.iter().find(|one| one["pod"] == "resized").unwrap();
    assert_eq!(
        (&resized["limit"], &resized["limitFrom"]),
        (&json!(128 << 20), &json!("running")),
        "{resized}"
    );
    assert_eq!(
        resized["advice"],
        json!(format!("to get a value that fits: create pod resized in {name} again"))
    );
    // What is only wanted does not count: the whole node cannot be had while others are on it.
    let node = kubectl(&["get", "nodes", "-o", "jsonpath={.items[0].status.allocatable.memory}"]);
    resize("follows", &node, &node);
    wait_for("the kubelet defers it", LONG, async || {
        let pod = kubectl(&["get", "pod", "follows", "-n", name, "-o", "json"]);
        check(pod.contains("PodResizePending"), || pod)
    })
    .await;
    assert_eq!(of(name, "follows"), pair("covered", "-"));
    // Taken back: the scheduler keeps the node free for what is wanted, and nothing else would fit.
    resize("follows", "64Mi", "1Mi");
}

async fn a_removed_label(client: &kube::Client, namespace: &Namespace) {
    let name = &namespace.name;
    kubectl(&["label", "namespace", name, "gomemlimit.dev/inject-"]);
    wait_for("a pod that is created without the label gets no value", LONG, async || {
        Manifest(pod("later", Some("64Mi"), &json!([]))).create(client, name).await.unwrap();
        let seen = of(name, "later");
        if seen != pair("uncovered", "not-labelled") {
            try_kubectl(&["delete", "pod", "later", "-n", name, "--wait"], "")?;
            return Err(format!("{seen:?}"));
        }
        Ok(())
    })
    .await;
    assert_eq!(of(name, "fits"), pair("covered", "-"), "what runs keeps its value");
    kubectl(&["label", "namespace", name, "gomemlimit.dev/inject=enabled"]);
    assert_eq!(of(name, "later"), pair("uncovered", "not-injected"));
}

fn an_explained_pod(name: &str) {
    let ran = gomemlimit(&["explain", "resized", "-n", name]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    println!("explain:\n{}{}", ran.stdout.replace(name, "shop"), ran.stderr);
    assert!(ran.stderr.contains("Decided by the flags of pod gomemlimit/gomemlimit-"), "{}", ran.stderr);
    let ran = gomemlimit(&["explain", "resized", "-n", name, "-o", "json"]).json();
    let object = &ran["objects"][0];
    assert_eq!(object["running"][0]["status"], "stale", "{object}");
    assert_eq!(object["status"]["containers"]["app"]["limit"], 64 << 20, "{object}");
    let now = &object["containers"][0];
    assert_eq!((&now["reason"], &now["value"]), (&json!("updated"), &json!("120795955")), "{object}");
    kubectl(&["annotate", "namespace", name, "gomemlimit.dev/ratio=0.5"]);
    let ran = gomemlimit(&["explain", "resized", "-n", name, "-o", "json"]).json();
    let basis = &ran["objects"][0]["containers"][0]["basis"];
    assert_eq!((&basis["ratio"], &basis["ratioFrom"]), (&json!("0.5"), &json!("namespace")), "{ran}");
    let missing = gomemlimit(&["explain", "missing", "-n", name]);
    assert_eq!(missing.code, 2);
    assert_eq!(missing.stderr, format!("error: there is no pod missing in namespace {name}\n"));
}
