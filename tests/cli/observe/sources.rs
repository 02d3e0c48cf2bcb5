//! Whoever is asked for figures: how often, what their failures are called, and that the time is kept all the same.

use std::{
    fs,
    os::unix::fs::symlink,
    thread::sleep,
    time::{Duration, Instant},
};

use gomemlimit_fake_api_server::{PodServer, status};
use rstest::rstest;
use serde_json::{Value, json};

use super::{DEPLOYMENT, PODS, SUMMARY, deployment, list, pod};

const METRICS: &str = "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods";
/// Far longer than any of these runs may take, and far shorter than what is waited for where something hangs.
const LONG: Duration = Duration::from_secs(40);
const HANGS: Duration = Duration::from_mins(10);

/// Four pods, of which no kubelet may be asked.
fn four_pods(path: &str) -> Option<(u16, Value)> {
    Some(match path {
        DEPLOYMENT => deployment(),
        PODS => list(&["a", "b", "c", "d"].map(|name| pod(name, 0, None))),
        SUMMARY => status(403, "cannot get resource \"nodes/proxy\""),
        _ => return None,
    })
}

/// The report, and how often the API server was asked for the memory of pods, by whatever path.
fn observe(cluster: &PodServer, arguments: &[&str]) -> (Value, usize) {
    let started = Instant::now();
    let output = cluster.run("observe", &[&["deployment/api", "-o", "json"], arguments].concat());
    assert!(started.elapsed() < LONG, "{:?}", started.elapsed());
    let asked = cluster.asked().iter().filter(|one| one.starts_with(METRICS)).count();
    (output.json(), asked)
}

/// kube repeats 503 up to 15 times, in the time of the poll.
#[test]
fn a_metrics_server_that_is_out_of_order_is_asked_once_at_each_poll() {
    let cluster = PodServer::new(|path, _| {
        let unavailable = || status(503, "the server is currently unable to handle the request");
        path.starts_with(METRICS).then(unavailable).or_else(|| four_pods(path))
    });
    let (report, asked) = observe(&cluster, &["--for", "3s", "--interval", "200ms"]);
    let polls = report["polls"].as_u64().unwrap();
    // A machine that takes a second for an answer may leave one out.
    assert!((polls / 2..=polls).contains(&(asked as u64)), "{:?}", cluster.asked());
    assert!(polls >= 4, "{polls} polls of 16");
    assert_eq!(cluster.count(METRICS), asked, "a list, not a request for each pod");
    assert!(
        cluster.asked().contains(&format!("{METRICS}?&labelSelector=app%3Dapi")),
        "{:?}",
        cluster.asked()
    );
    let said = format!(
        "metrics.k8s.io: the API server answered: the server is currently unable to handle the request (in {asked} of \
         {polls} polls)"
    );
    assert!(report["notes"].to_string().contains(&said), "{}", report["notes"]);
}

#[test]
fn one_list_has_the_memory_of_all_pods() {
    let cluster = PodServer::new(|path, _| {
        let metrics = |name: &str| json!({"metadata": {"name": name}, "containers": [{"name": "app", "usage": {"memory": "100Mi"}}]});
        let items = ["a", "b", "c", "d"].map(metrics);
        (path == METRICS).then(|| (200, json!({"items": items}))).or_else(|| four_pods(path))
    });
    let (report, _) = observe(&cluster, &super::SHORT);
    let peaks: Vec<_> = report["containers"].as_array().unwrap().iter().map(|one| &one["peak"]).collect();
    assert_eq!(peaks, [100 << 20; 4], "{report}");
    assert!(!report["notes"].to_string().contains("memory of"), "{}", report["notes"]);
}

/// One that never answers takes its time once, and rests then.
#[rstest]
#[case::metrics_server(METRICS, "metrics.k8s.io: ")]
#[case::kubelet(SUMMARY, "the kubelet of node n: ")]
fn a_source_that_never_answers_leaves_time_for_polls(#[case] hanging: &'static str, #[case] who: &str) {
    let cluster = PodServer::new(move |path, _| {
        if path == hanging {
            sleep(HANGS);
        }
        four_pods(path)
    });
    let (report, _) = observe(&cluster, &["--for", "9s", "--interval", "500ms"]);
    assert!(cluster.count(hanging) <= 2, "{:?}", cluster.asked());
    assert!(report["polls"].as_u64().unwrap() >= 4, "{}", report["polls"]);
    let notes = report["notes"].to_string();
    assert!(notes.contains(who) && notes.contains("no answer within 5s (in "), "{notes}");
}

#[test]
fn a_poll_that_hangs_ends_with_the_time() {
    let cluster = PodServer::new(|path, count| {
        if path == PODS && count > 2 {
            sleep(HANGS);
        }
        four_pods(path)
    });
    let (report, _) = observe(&cluster, &["--for", "3s", "--interval", "100ms"]);
    assert_eq!((&report["ended"], &report["failedPolls"]), (&json!("time"), &json!(1)), "{report}");
    let said = "the API server did not answer 1 of 4 polls: no answer before the time was over";
    assert!(report["notes"].to_string().contains(said), "{}", report["notes"]);
}

/// Nothing is repeated behind the back of a poll, and the cause of a failed one is reported.
#[test]
fn a_list_that_fails_is_one_failed_poll() {
    let cluster = PodServer::new(|path, count| {
        let is_busy = path == PODS && [0, 2, 3].contains(&count);
        is_busy.then(|| status(429, "too many requests")).or_else(|| four_pods(path))
    });
    let (report, _) = observe(&cluster, &["--for", "2s", "--interval", "100ms"]);
    // The first pods are waited for.
    assert_eq!(cluster.count(PODS) as u64, 1 + report["polls"].as_u64().unwrap());
    assert_eq!(report["failedPolls"], 2, "{report}");
    let said = "polls: the API server answered: too many requests";
    assert!(report["notes"].to_string().contains(said), "{}", report["notes"]);
}

/// Also one that may not be asked at all: without its name nobody knows which right is missing.
#[rstest]
#[case::without_memory(403, None)]
#[case::kubelet_is_away(503, None)]
#[case::one_pod_is_known_to_the_kubelet(503, Some(100))]
fn every_source_that_failed_is_named(#[case] kubelet: u16, #[case] seen: Option<u64>) {
    let cluster = PodServer::new(move |path, count| {
        Some(match path {
            SUMMARY if count == 0 && seen.is_some() => {
                super::summary(&["a", "b", "c", "d"].map(|name| (name, 100)))
            }
            SUMMARY => status(kubelet, "no summary"),
            _ if path.starts_with(METRICS) => status(403, "pods is forbidden"),
            _ if path.ends_with("/portforward") => status(403, "no forwarding"),
            _ => return four_pods(path),
        })
    });
    let (report, _) = observe(&cluster, &["--for", "900ms", "--interval", "300ms"]);
    let (notes, polls) = (report["notes"].to_string(), report["polls"].as_u64().unwrap());
    let failed = polls - u64::from(seen.is_some());
    let metrics = format!("metrics.k8s.io: pods is forbidden (in {failed} of {polls} polls)");
    assert!(notes.contains(&metrics), "{metrics} is not in {notes}");
    // On a machine that takes a second for an answer it rests at times.
    let (_, kubelet) = notes.split_once("the kubelet of node n: ").unwrap_or_else(|| panic!("{notes}"));
    assert!(
        kubelet.contains("no summary (in ") && kubelet.contains(&format!(" of {polls} polls)")),
        "{notes}"
    );
    assert!(notes.contains("no forwarding"), "{notes}");
}

/// The default interval of 2 s does not divide it.
#[test]
fn the_last_poll_begins_when_the_time_is_over() {
    let cluster = PodServer::new(|path, _| four_pods(path));
    for (time, interval, seconds) in [("1s", "2s", 1.0), ("1300ms", "500ms", 1.3), ("1s", "500ms", 1.0)] {
        let (report, _) = observe(&cluster, &["--for", time, "--interval", interval]);
        let of = |field: &str| report[field].as_f64().unwrap();
        assert!(of("seconds") >= seconds, "{report}");
        let polls = (seconds / report["intervalSeconds"].as_f64().unwrap()).ceil() + 1.0;
        // A busy machine leaves some out, but never the first and the last.
        assert!((2.0..=polls).contains(&of("polls")), "{report}");
    }
}

#[rstest]
#[case::spelling(&["--baseline", "b.json", "--save", "./b.json"], "--save would overwrite the baseline")]
#[case::detour(&["--baseline", "b.json", "--save", "tmp/../b.json"], "--save would overwrite the baseline")]
#[case::link(&["--baseline", "b.json", "--save", "link.json"], "--save would overwrite the baseline")]
#[case::baseline_is_a_link(&["--baseline", "link.json", "--save", "b.json"], "--save would overwrite the baseline")]
#[case::hard_link(&["--baseline", "b.json", "--save", "hard.json"], "--save would overwrite the baseline")]
#[case::picture(&["--baseline", "b.json", "--svg", "./b.json"], "--svg would overwrite the baseline")]
#[case::both(&["--save", "new", "--svg", "./new"], "--svg would overwrite what --save keeps")]
#[case::both_by_a_linked_folder(&["--save", "tmp/new", "--svg", "linked/new"], "--svg would overwrite what --save keeps")]
fn no_file_is_written_over_another(#[case] arguments: &[&str], #[case] wanted: &str) {
    let cluster = PodServer::new(|path, _| four_pods(path));
    let baseline = "{\"schema\":\"gomemlimit.dev/observation\",\"version\":1}";
    fs::write(cluster.path("b.json"), baseline).unwrap();
    symlink(cluster.path("b.json"), cluster.path("link.json")).unwrap();
    symlink(cluster.path("tmp"), cluster.path("linked")).unwrap();
    fs::hard_link(cluster.path("b.json"), cluster.path("hard.json")).unwrap();
    let arguments = [&["deployment/api"], arguments, &super::SHORT].concat();
    cluster.run("observe", &arguments).is_refused(wanted);
    assert_eq!(fs::read_to_string(cluster.path("b.json")).unwrap(), baseline);
    assert_eq!(cluster.asked(), [""; 0], "nothing is observed");
}
