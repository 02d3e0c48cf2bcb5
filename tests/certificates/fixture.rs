//! A modelled cluster with replicas, and what has to hold in it at every instant.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use gomemlimit::{
    certs::{
        CaCertificate, CertificateSettings, Contents, Fingerprint, Machine, SecretData, SignReason, Step,
        StoreReason, WebhookEntry, WriteTarget,
    },
    serve::tls::{Credentials, provider},
};
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    pki_types::{ServerName, UnixTime},
};

pub const NAME: &str = "gomemlimit.gomemlimit.svc";
pub const HOUR: Duration = Duration::from_hours(1);
pub const TICK: Duration = Duration::from_mins(1);
pub const PUBLISH_DELAY: Duration = Duration::from_mins(3);

pub fn settings() -> CertificateSettings {
    CertificateSettings {
        server_name: NAME.to_owned(),
        ca_lifetime: HOUR,
        leaf_lifetime: Duration::from_mins(10),
        publish_delay: PUBLISH_DELAY,
    }
}

pub fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(500_000)
}

/// A client that trusts `bundle`; `None` where nothing in it is valid.
fn client_of(bundle: &[u8], now: SystemTime) -> Option<Arc<WebPkiServerVerifier>> {
    let mut roots = RootCertStore::empty();
    // Go asks for the validity of roots, webpki does not.
    for ca in CaCertificate::all_from_pem(bundle).into_iter().filter(|ca| ca.is_valid_at(now)) {
        roots.add(ca.der).unwrap();
    }
    WebPkiServerVerifier::builder_with_provider(roots.into(), provider()).build().ok()
}

fn verifies(client: &WebPkiServerVerifier, name: &str, credentials: &Credentials, now: SystemTime) -> bool {
    let name = ServerName::try_from(name).unwrap();
    let now = UnixTime::since_unix_epoch(now.duration_since(SystemTime::UNIX_EPOCH).unwrap());
    client.verify_server_cert(&credentials.chain()[0], &credentials.chain()[1..], &name, &[], now).is_ok()
}

pub fn accepts(bundle: &[u8], name: &str, credentials: &Credentials, now: SystemTime) -> bool {
    client_of(bundle, now).is_some_and(|client| verifies(&client, name, credentials, now))
}

/// The objects in the API server.
pub struct Cluster {
    pub now: SystemTime,
    /// Counts every change of either object.
    pub version: u64,
    pub secret: (u64, Option<SecretData>),
    pub configuration: (u64, Option<Vec<WebhookEntry>>),
    /// What replicas mount, where they do.
    pub serving: (u64, Option<SecretData>),
    /// What the Secret held at earlier times.
    pub backups: Vec<SecretData>,
    /// The annotation of the Secret with revoked CAs.
    pub revoked: Option<String>,
    /// CAs that must never be in the CA bundle.
    pub planted: Vec<CaCertificate>,
}

impl Cluster {
    pub fn write_secret(&mut self, data: Option<SecretData>) {
        self.version += 1;
        self.backups.extend(self.secret.1.clone());
        if data.is_none() {
            self.revoked = None;
        }
        self.secret = (self.version, data);
    }

    pub fn write_serving(&mut self, data: Option<SecretData>) {
        self.version += 1;
        self.serving = (self.version, data);
    }

    /// `kubectl annotate secret`.
    pub fn annotate(&mut self, revoked: Option<String>) {
        if self.secret.1.is_some() {
            self.version += 1;
            self.secret.0 = self.version;
            self.revoked = revoked;
        }
    }

    pub fn is_revoked(&self, ca: &CaCertificate) -> bool {
        let listed = self.revoked.iter().flat_map(|list| list.split(','));
        listed.filter_map(|part| part.trim().parse().ok()).any(|one: Fingerprint| one == Fingerprint::of(ca))
    }

    /// A replica has written this: nothing that is planted or revoked is in it.
    pub fn check_written(&self, bundle: &[u8]) {
        if self.planted.is_empty() && self.revoked.is_none() {
            return;
        }
        for ca in CaCertificate::all_from_pem(bundle) {
            assert!(!self.planted.contains(&ca), "a planted CA is published: {:?}", Fingerprint::of(&ca));
            assert!(!self.is_revoked(&ca), "a revoked CA is published: {:?}", Fingerprint::of(&ca));
        }
    }

    pub fn write_bundles(&mut self, bundle: &[u8]) {
        self.version += 1;
        let entries = ["namespaces", "resize"]
            .map(|entry| WebhookEntry { name: format!("{entry}.gomemlimit.dev"), bundle: bundle.to_vec() });
        self.configuration = (self.version, Some(entries.to_vec()));
    }
}

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
    fn refresh(&mut self, cluster: &Cluster) {
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

/// The time plus or minus these seconds; a clock shows no time before 1970.
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
                    let is_trusted = |entry: &WebhookEntry| accepts(&entry.bundle, NAME, &leaf, cluster.now);
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

pub struct Fixture {
    pub cluster: Cluster,
    pub replicas: Vec<Replica>,
    /// Replicas that serve what separate keepers sign; then `replicas` are those keepers.
    pub mounts: Vec<Mount>,
}

impl Fixture {
    /// As `helm install` leaves it, some seconds later.
    pub fn installed(replicas: usize) -> Self {
        Self::with((0..replicas).map(|_| Replica::new()).collect(), Vec::new())
    }

    /// The same with separate keepers: one replica that sees changes at once, and one as late as kubelet may be.
    pub fn separate(keepers: usize) -> Self {
        let mounts = [Duration::ZERO, TICK * 2].map(Mount::new).into();
        let mut fixture = Self::with((0..keepers).map(|_| Replica::keeper()).collect(), mounts);
        fixture.advance(TICK * 2);
        fixture
    }

    fn with(replicas: Vec<Replica>, mounts: Vec<Mount>) -> Self {
        let mut cluster = Cluster {
            now: start(),
            version: 0,
            secret: (0, Some(SecretData::new())),
            configuration: (0, None),
            serving: (0, Some(SecretData::new())),
            backups: Vec::new(),
            revoked: None,
            planted: Vec::new(),
        };
        cluster.write_bundles(b"");
        let mut fixture = Self { cluster, replicas, mounts };
        fixture.settle();
        fixture.refresh();
        fixture
    }

    /// Everybody sees everything and does everything, until nobody has anything left to do.
    pub fn settle(&mut self) {
        for _ in 0..50 {
            let mut busy = false;
            let before = self.cluster.version;
            for replica in &mut self.replicas {
                replica.see_secret(&self.cluster);
                replica.see_configuration(&self.cluster);
                if !self.mounts.is_empty() {
                    replica.see_serving(&self.cluster);
                }
                while replica.step(&mut self.cluster) {
                    busy = true;
                }
            }
            if !busy && before == self.cluster.version {
                return self.check_bundles();
            }
        }
        panic!("replicas fight: {:?}", self.replicas.iter().map(|replica| &replica.log).collect::<Vec<_>>());
    }

    /// Everybody who is there has seen everything.
    fn check_bundles(&self) {
        if self.cluster.secret.1.is_some()
            && self.replicas.iter().any(|replica| !replica.cut && !replica.paused)
        {
            for entry in self.cluster.configuration.1.iter().flatten() {
                self.cluster.check_written(&entry.bundle);
            }
        }
    }

    pub fn advance(&mut self, time: Duration) {
        let until = self.cluster.now + time;
        while self.cluster.now < until {
            self.cluster.now += TICK.min(until.duration_since(self.cluster.now).unwrap());
            self.settle();
            self.refresh();
            self.check("after a tick");
        }
    }

    pub fn refresh(&mut self) {
        for mount in &mut self.mounts {
            mount.refresh(&self.cluster);
        }
    }

    /// Kubelet brings everything.
    pub fn arrive(&mut self) {
        for mount in &mut self.mounts {
            let delay = std::mem::take(&mut mount.delay);
            mount.refresh(&self.cluster);
            mount.delay = delay;
        }
    }

    pub fn check(&self, when: &str) {
        let now = self.cluster.now;
        let mut bundles: Vec<_> =
            self.cluster.configuration.1.iter().flatten().map(|entry| &entry.bundle).collect();
        bundles.dedup();
        // Once all CAs of a bundle have expired, it trusts nothing that anybody could serve.
        let clients: Vec<_> = bundles.into_iter().filter_map(|bundle| client_of(bundle, now)).collect();
        let replicas = self.replicas.iter().map(|one| (&one.serving, one.trusted && !one.paused));
        let mounts = self.mounts.iter().map(|one| (&one.serving, true));
        for (place, (serving, counts)) in replicas.chain(mounts).enumerate() {
            let Some(serving) = serving else { continue };
            if counts && serving.not_after() >= now {
                let is_trusted = clients.iter().all(|client| verifies(client, NAME, serving, now));
                assert!(is_trusted, "replica {place} is not trusted {when}");
            }
        }
    }

    /// Everything is as it should be.
    pub fn check_calm(&mut self) {
        self.settle();
        self.check("when calm");
        let secret = self.cluster.secret.1.as_ref().unwrap();
        let (contents, _) = Contents::parse(secret, NAME, self.cluster.now).unwrap();
        assert!(contents.is_stored_in(secret));
        for entry in self.cluster.configuration.1.as_ref().unwrap() {
            assert_eq!(entry.bundle, secret["bundle.crt"], "{}", entry.name);
        }
        for replica in &self.replicas {
            assert!(replica.trusted && replica.machine.is_verified(self.cluster.now));
            assert_eq!(replica.machine.out_of_sync(), []);
            assert_eq!(replica.machine.problems(), []);
        }
    }

    pub fn ca_certificate(&self) -> Vec<u8> {
        self.cluster.secret.1.as_ref().unwrap()["ca.crt"].clone()
    }
}
