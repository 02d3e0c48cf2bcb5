//! Packets between the API server and the webhook are lost.

use super::{endure, seconds};
use crate::harness::{is_own_cluster, ready, run};

/// Both ways between the node and its pods; `cni0` is the bridge of the pods. On the node itself the port is the kubelet's.
const WAYS: [[&str; 5]; 2] =
    [["OUTPUT", "-o", "cni0", "--dport", "10250"], ["INPUT", "-i", "cni0", "--sport", "10250"]];

/// Loses a share of the packets until this is dropped.
struct Loss {
    probability: String,
}

impl Loss {
    fn begin(percent: u32) -> Self {
        let loss = Self { probability: format!("{:.2}", f64::from(percent) / 100.0) };
        for way in WAYS {
            iptables(&loss.rule("-I", way)).unwrap();
        }
        loss
    }

    fn rule<'a>(
        &'a self,
        change: &'a str,
        [chain, direction, device, side, port]: [&'a str; 5],
    ) -> Vec<&'a str> {
        let packets = [change, chain, direction, device, "-p", "tcp", side, port];
        let rate = ["-m", "statistic", "--mode", "random", "--probability", &self.probability, "-j", "DROP"];
        [packets, rate].concat()
    }

    /// Packets that were lost so far.
    fn lost() -> u64 {
        let counted = WAYS.iter().flat_map(|way| {
            let said = iptables(&["-nvxL", way[0]]).unwrap();
            let rules: Vec<_> = said.lines().filter(|line| line.contains("statistic mode random")).collect();
            let packets = rules.iter().map(|rule| rule.split_whitespace().next().unwrap().parse::<u64>());
            packets.map(Result::unwrap).collect::<Vec<_>>()
        });
        counted.sum()
    }
}

impl Drop for Loss {
    fn drop(&mut self) {
        for way in WAYS {
            let _ = iptables(&self.rule("-D", way));
        }
    }
}

/// iptables of the node.
fn iptables(arguments: &[&str]) -> Result<String, String> {
    let network = format!("--net=/run/netns/{}", std::env::var("CLUSTER_NETNS").unwrap());
    run("nsenter", &[&[&*network, "iptables", "-w"], arguments].concat(), "")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_packets() {
    if !is_own_cluster("iptables of the node") {
        return;
    }
    let (client, release) = ready().await;
    for percent in [5, 20] {
        let title = format!("{percent} % of the packets to and from the webhook lost");
        endure(&client, &format!("loss-{percent:02}"), &title, async || {
            let guard = Loss::begin(percent);
            tokio::time::sleep(seconds(60, 10)).await;
            let lost = Loss::lost();
            drop(guard);
            assert!(lost > 0, "no packet was lost");
            format!("{lost} packets lost")
        })
        .await;
    }
    release.assert_ready().await;
    release.assert_rest("lost packets").await;
}
