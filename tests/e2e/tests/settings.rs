//! Settings of a namespace are followed while they change, and the figures arrive through the Service.

use std::time::Instant;

use crate::harness::{
    LONG, Manifest, Namespace, RELEASE_NAMESPACE, VALUE_1GI, check, dry_run_values, gated_pod, kubectl,
    metric, ready, ready_with_namespace, wait_for,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_a_namespace_are_followed() {
    let (client, _) = ready().await;
    let namespace =
        Namespace::new(&client, &[("gomemlimit.dev/inject", "enabled")], &[("gomemlimit.dev/ratio", "0.8")])
            .await;
    let annotate = |changes: &[&str]| {
        kubectl(&[&["annotate", "namespace", &namespace.name, "--overwrite"], changes].concat());
    };
    let steps: [(&dyn Fn(), &[&str]); 5] = [
        (&|| {}, &["858993459"]),
        (&|| annotate(&["gomemlimit.dev/ratio=0.5"]), &["536870912"]),
        (&|| annotate(&["gomemlimit.dev/ratio=nonsense"]), &[VALUE_1GI]),
        (&|| annotate(&["gomemlimit.dev/mode=off"]), &[]),
        (&|| annotate(&["gomemlimit.dev/mode-", "gomemlimit.dev/ratio-"]), &[VALUE_1GI]),
    ];
    let mut seconds = Vec::new();
    for (place, (change, wanted)) in steps.into_iter().enumerate() {
        change();
        let started = Instant::now();
        // Both replicas have to know: the same answer several times in a row.
        let mut in_a_row = 0;
        wait_for(&format!("what step {place} says holds"), LONG, async || {
            let seen = dry_run_values(&client, &namespace).await;
            in_a_row = if seen == wanted { in_a_row + 1 } else { 0 };
            check(in_a_row == 8, || format!("{seen:?}, not {wanted:?}"))
        })
        .await;
        seconds.push(format!("{:.1}", started.elapsed().as_secs_f64()));
    }
    println!(
        "settings: 5 changes of a namespace's annotations followed; seconds until 8 answers agree: {}",
        seconds.join(" ")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_arrive_through_the_service() {
    let (client, _, namespace) = ready_with_namespace().await;
    let path =
        format!("/api/v1/namespaces/{RELEASE_NAMESPACE}/services/gomemlimit:http-metrics/proxy/metrics");
    wait_for("a replica that has injected is scraped", LONG, async || {
        Manifest(gated_pod("metrics", "1Gi")).dry_run(&client, &namespace.name).await.unwrap();
        let text = kubectl(&["get", "--raw", &path]);
        let injected = metric(&text, "gomemlimit_decisions_total{decision=\"set\",reason=\"injected\"}");
        let up = metric(&text, "gomemlimit_watch_up{watch=\"secret\"}");
        check(injected > 0.0 && up > 0.0, || text)
    })
    .await;
}
