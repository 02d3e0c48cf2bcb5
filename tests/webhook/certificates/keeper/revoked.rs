//! CAs that somebody plants, and CAs that are revoked.

use std::{
    io,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use gomemlimit::certs::{CaCertificate, Fingerprint, REVOKED_ANNOTATION};
use gomemlimit_fake_api_server::{Resource, Verb};
use serde_json::json;
use tokio::time::sleep;

use super::{
    super::planted::{Planted, plant},
    Cluster, Mode, SETTLED, TICK,
};

/// Everything that is logged in this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// The lines with this text since the last time.
    fn take(&self, text: &str) -> Vec<String> {
        let log = std::mem::take(&mut *self.0.lock().unwrap());
        let log = String::from_utf8(log).unwrap();
        log.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }
}

fn fingerprint(pem: &[u8]) -> String {
    Fingerprint::of(&CaCertificate::all_from_pem(pem)[0]).to_string()
}

#[tokio::test(start_paused = true)]
async fn cas_that_are_planted_and_revoked_are_logged_and_the_list_outlives_the_secret() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    // With one alone tracing asks the thread that comes first to a line whether anybody reads it, and caches the answer: other
    // tests have no subscriber.
    let _second = tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(io::sink).finish());
    let _guard = tracing::subscriber::set_default(subscriber);
    let cluster = Cluster::settled(Mode::Replica).await;
    let value = |key: &str| {
        let encoded = cluster.api.secret()["data"][key].as_str().unwrap().to_owned();
        BASE64_STANDARD.decode(encoded).unwrap()
    };
    let first = fingerprint(&value("ca.crt"));
    let lines = log.take("a CA is trusted");
    assert!(matches!(&lines[..], [line] if line.contains("INFO") && line.contains(&first)), "{lines:?}");

    let (planted, _) = plant(Planted::Foreign, SystemTime::now());
    let bundle = [value("bundle.crt"), planted.clone().into_bytes()].concat();
    cluster.api.change_secret(|secret| secret["data"]["bundle.crt"] = BASE64_STANDARD.encode(bundle).into());
    cluster.settle().await;
    assert!(!value("bundle.crt").windows(planted.len()).any(|part| part == planted.as_bytes()));
    let lines = log.take("is not used and is removed");
    let names = |line: &str| line.contains(&fingerprint(planted.as_bytes())) && line.contains("9966-01-01");
    assert!(matches!(&lines[..], [line] if line.contains("WARN") && names(line)), "{lines:?}");

    let list = format!("{first},no fingerprint");
    cluster.api.change_secret(|secret| secret["metadata"]["annotations"] = json!({REVOKED_ANNOTATION: list}));
    cluster.settle().await;
    let second = fingerprint(&value("ca.crt"));
    assert_ne!(first, second);
    let lines = log.take("CA");
    let has = |parts: &[&str]| lines.iter().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(has(&["WARN", &first, "it is revoked"]) && has(&["INFO", &second, "it signs"]), "{lines:?}");
    assert!(has(&["WARN", "\"no fingerprint\""]), "{lines:?}");
    assert_eq!(
        cluster.api.secret()["metadata"]["annotations"][REVOKED_ANNOTATION],
        list,
        "as somebody wrote it"
    );

    cluster.api.delete(Resource::Secrets);
    sleep(SETTLED).await;
    cluster.api.create(Resource::Secrets);
    cluster.settle_and_rest().await;
    assert_eq!(fingerprint(&value("ca.crt")), second, "from memory");
    assert_eq!(cluster.api.secret()["metadata"]["annotations"][REVOKED_ANNOTATION], first);
}

#[tokio::test(start_paused = true)]
async fn somebody_who_revokes_every_new_ca_is_answered_once_a_tick_in_the_end() {
    let cluster = Cluster::settled(Mode::Replica).await;
    let mut list = Vec::new();
    let mut revoke = async |seconds: usize| {
        let before = cluster.api.count(Verb::Update, Resource::Secrets);
        for _ in 0..seconds {
            let pem = cluster.api.secret()["data"]["ca.crt"].as_str().unwrap().to_owned();
            let signer = fingerprint(&BASE64_STANDARD.decode(pem).unwrap());
            if !list.contains(&signer) {
                list.push(signer);
                let list = list.join(",");
                cluster.api.change_secret(|secret| {
                    secret["metadata"]["annotations"] = json!({REVOKED_ANNOTATION: list});
                });
            }
            sleep(Duration::from_secs(1)).await;
        }
        cluster.api.count(Verb::Update, Resource::Secrets) - before
    };
    revoke(120).await;
    let writes = revoke(1200).await;
    assert!((20..=41).contains(&writes), "{writes} new CAs in 20 minutes, a tick is {TICK:?}");
    cluster.settle_and_rest().await;
}
