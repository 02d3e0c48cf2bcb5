//! Replicas of the state machine, and those that serve what a separate keeper signs.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use gomemlimit::{
    certs::{EntryBundle, Machine, SecretData, SignReason, Step, StoreReason, WriteTarget},
    serve::tls::Credentials,
};

use super::cluster::{Cluster, NAME, accepts, settings};

/// One process.
pub struct Replica {
    pub machine: Machine,
    pub seen_secret: Option<u64>,
    pub seen_serving: Option<u64>,
    pub serving: Option<Credentials>,
    pub trusted: bool,
    /// Stopped by SIGSTOP: does nothing, and serves nobody.
    pub paused: bool,
    /// Cannot reach the API server.
    pub cut: bool,
    /// How far its clock is from the API server's, in seconds.
    pub skew: i64,
    pub log: Vec<StoreReason>,
    /// How often it wrote the serving Secret.
    pub deposits: usize,
}

/// A replica that mounts the serving Secret.
pub struct Mount {
    /// How far kubelet is behind.
    pub delay: Duration,
    /// What kubelet has not brought yet, and since when it is in the Secret.
    pending: Vec<(SystemTime, u64, SecretData)>,
    pub serving: Option<Credentials>,
}

impl Mount {
    pub fn new(delay: Duration) -> Self {
        Self { delay, pending: Vec::new(), serving: None }
    }

    /// As kubelet and the reloader do it: what cannot be served is passed over, and what is deleted stays.
    pub fn refresh(&mut self, cluster: &Cluster) {
        let (version, data) = &cluster.serving;
        if let Some(data) = data
            && self.pending.last().is_none_or(|(_, last, _)| last != version)
        {
            self.pending.push((cluster.now, *version, data.clone()));
        }
        for (since, _, data) in &self.pending {
            let part = |key: &str| data.get(key).cloned().unwrap_or_default();
            if *since + self.delay <= cluster.now
                && let Ok(new) = Credentials::from_pem(&part("tls.crt"), &part("tls.key"), cluster.now)
            {
                self.serving = Some(new);
            }
        }
        let arrived = self.pending.iter().rposition(|(since, ..)| *since + self.delay <= cluster.now);
        self.pending.drain(..arrived.unwrap_or_default());
    }
}

/// That time, `seconds` later or earlier; a clock shows no time before 1970.
pub fn shifted(now: SystemTime, seconds: i64) -> SystemTime {
    let by = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        now.checked_sub(by).map_or(SystemTime::UNIX_EPOCH, |at| at.max(SystemTime::UNIX_EPOCH))
    } else {
        now + by
    }
}

impl Replica {
    pub fn new() -> Self {
        Self::of(Machine::new(settings()))
    }

    /// A separate keeper.
    pub fn keeper() -> Self {
        Self::of(Machine::for_keeper(settings()))
    }

    fn of(machine: Machine) -> Self {
        Self {
            machine,
            seen_secret: None,
            seen_serving: None,
            serving: None,
            trusted: false,
            paused: false,
            cut: false,
            skew: 0,
            log: vec![],
            deposits: 0,
        }
    }

    pub fn see_secret(&mut self, cluster: &Cluster) {
        if !self.cut && !self.paused {
            self.machine.observe_revoked(cluster.revoked.as_deref());
            self.machine.observe_secret(cluster.secret.1.clone());
            self.seen_secret = Some(cluster.secret.0);
        }
    }

    pub fn see_serving(&mut self, cluster: &Cluster) {
        if !self.cut && !self.paused {
            self.machine.observe_serving_secret(cluster.serving.1.clone());
            self.seen_serving = Some(cluster.serving.0);
        }
    }

    pub fn see_configuration(&mut self, cluster: &Cluster) {
        if !self.cut && !self.paused {
            self.machine.observe_configuration(cluster.configuration.1.clone());
        }
    }

    /// One step, as the driver does it; whether there may be another.
    pub fn step(&mut self, cluster: &mut Cluster) -> bool {
        if self.paused {
            return false;
        }
        let now = shifted(cluster.now, self.skew);
        let all = BTreeSet::from([
            WriteTarget::CaSecret,
            WriteTarget::ServingSecret,
            WriteTarget::WebhookConfiguration,
        ]);
        let blocked = if self.cut { all } else { BTreeSet::new() };
        let more = match self.machine.step_without(&blocked, now).unwrap() {
            None => false,
            Some(Step::Serve(credentials)) => {
                self.serving = Some(credentials);
                true
            }
            Some(step) if self.cut => panic!("{step:?} while it cannot be done"),
            Some(Step::StoreLeaf(..)) if self.seen_serving != Some(cluster.serving.0) => false,
            Some(Step::StoreLeaf(data, why)) => {
                if why != SignReason::Renewed {
                    let leaf = Credentials::from_pem(&data["tls.crt"], &data["tls.key"], now).unwrap();
                    let entries = cluster.configuration.1.as_ref().unwrap();
                    let is_trusted = |entry: &EntryBundle| accepts(&entry.bundle, NAME, &leaf, cluster.now);
                    // Its own clock may be wrong.
                    let is_right = self.skew == 0;
                    assert!(
                        !is_right || entries.iter().all(is_trusted),
                        "{why}: deposited before it is trusted"
                    );
                }
                cluster.write_serving(Some(data));
                self.deposits += 1;
                self.see_serving(cluster);
                true
            }
            // Another replica was faster: the API server refuses the old resourceVersion.
            Some(Step::StoreCa(..)) if self.seen_secret != Some(cluster.secret.0) => false,
            Some(Step::StoreCa(data, why)) => {
                for key in ["ca.crt", "next.crt", "bundle.crt"] {
                    cluster.check_written(data.get(key).map_or(&[], Vec::as_slice));
                }
                cluster.write_secret(Some(data));
                let lost = self.machine.unlisted_revocations().map(ToString::to_string).collect::<Vec<_>>();
                if !lost.is_empty() {
                    let listed = cluster.revoked.clone().unwrap_or_default();
                    cluster.revoked = Some(format!("{listed},{}", lost.join(",")));
                }
                self.log.push(why);
                self.see_secret(cluster);
                true
            }
            Some(Step::PublishBundle { .. }) if self.seen_secret != Some(cluster.secret.0) => {
                self.see_secret(cluster);
                true
            }
            Some(Step::PublishBundle { entries, bundle }) => {
                cluster.check_written(bundle.as_bytes());
                let Some(live) = &mut cluster.configuration.1 else { return false };
                for (place, name) in entries {
                    assert_eq!(live[place].name, name);
                    live[place].bundle = bundle.clone().into_bytes();
                }
                cluster.version += 1;
                cluster.configuration.0 = cluster.version;
                self.see_configuration(cluster);
                true
            }
        };
        self.trusted |= self.machine.is_verified(now);
        more
    }
}
