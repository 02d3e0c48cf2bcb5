//! Ready means that the next pod is injected.

use std::time::Instant;

use crate::harness::{Manifest, Namespace, Release, VALUE_1GI, client, gated_pod, helm, is_long, values};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_pod_after_an_install_is_injected() {
    let client = client().await;
    let installs = if is_long() { 10 } else { 4 };
    let mut injected = 0;
    let mut seconds = Vec::new();
    for _ in 0..installs {
        Release::remove(&client).await;
        let namespace = Namespace::labelled(&client).await;
        let manifest = Manifest(gated_pod("first", "1Gi"));
        let started = Instant::now();
        helm(&Release::install_arguments(&[]));
        let pod = manifest.create(&client, &namespace.name).await.unwrap();
        seconds.push(format!("{:.1}", started.elapsed().as_secs_f64()));
        if values(&pod, "app") == [VALUE_1GI] {
            injected += 1;
        } else {
            println!("install {} not injected: {pod}", seconds.len());
        }
    }
    println!("install_then_inject: {injected} of {installs} injected; seconds: {}", seconds.join(" "));
    assert_eq!(injected, installs);
}
