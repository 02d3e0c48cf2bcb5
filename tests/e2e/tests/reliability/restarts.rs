//! The API server goes away and comes back, several times.

use std::time::Duration;

use super::{endure, seconds};
use crate::harness::{NoApiServer, is_long, is_own_cluster, ready, try_kubectl, wait_for_api_server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_of_the_api_server() {
    if !is_own_cluster("the API server restarted") {
        return;
    }
    let (client, release) = ready().await;
    let (times, away) = (if is_long() { 6 } else { 2 }, Duration::from_secs(2));
    endure(&client, "api-server-restarts", "API server restarts", async || {
        for time in 0..times {
            let gone = NoApiServer::begin(if time % 2 == 0 { "stop" } else { "kill" });
            tokio::time::sleep(away).await;
            assert!(try_kubectl(&["get", "--raw", "/readyz"], "").is_err(), "it answers");
            drop(gone);
            wait_for_api_server().await;
            tokio::time::sleep(seconds(10, 3)).await;
        }
        format!("{times} times away, by SIGTERM and SIGKILL in turn")
    })
    .await;
    release.assert_ready().await;
    release.assert_rest("restarts of the API server").await;
}
