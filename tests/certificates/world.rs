//! A modelled cluster with replicas, and what has to hold in it at every instant.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use gomemlimit::{
    certs::{CaCertificate, Contents, Data, Entry, Fingerprint, Machine, Settings, Step, Stored},
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

pub fn settings() -> Settings {
    Settings {
        server_name: NAME.to_owned(),
        ca_life: HOUR,
        leaf_life: Duration::from_mins(10),
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
    WebPkiServerVerifier::builder_with_provider(roots.into(), provider::provider()).build().ok()
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
    pub secret: (u64, Option<Data>),
    pub configuration: (u64, Option<Vec<Entry>>),
    /// What the Secret held at earlier times.
    pub backups: Vec<Data>,
    /// The annotation of the Secret with revoked CAs.
    pub revoked: Option<String>,
    /// CAs that must never be in the CA bundle.
    pub planted: Vec<CaCertificate>,
}

impl Cluster {
    pub fn write_secret(&mut self, data: Option<Data>) {
        self.version += 1;
        self.backups.extend(self.secret.1.clone());
        if data.is_none() {
            self.revoked = None;
        }
        self.secret = (self.version, data);
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
            .map(|entry| Entry { name: format!("{entry}.gomemlimit.dev"), bundle: bundle.to_vec() });
        self.configuration = (self.version, Some(entries.to_vec()));
    }
}

/// One process.
pub struct Replica {
    pub machine: Machine,
    pub seen_secret: Option<u64>,
    pub serving: Option<Credentials>,
    pub trusted: bool,
    /// Stopped by SIGSTOP: does nothing, and serves nobody.
    pub paused: bool,
    /// Cannot reach the API server.
    pub cut: bool,
    /// How far its clock is from the API server's, in seconds.
    pub skew: i64,
    pub log: Vec<Stored>,
}

/// That time, so many seconds later or earlier; a clock shows no time before 1970.
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
        let machine = Machine::new(settings());
        Self {
            machine,
            seen_secret: None,
            serving: None,
            trusted: false,
            paused: false,
            cut: false,
            skew: 0,
            log: vec![],
        }
    }

    pub fn see_secret(&mut self, cluster: &Cluster) {
        if !self.cut && !self.paused {
            self.machine.see_revoked(cluster.revoked.as_deref());
            self.machine.see_secret(cluster.secret.1.clone());
            self.seen_secret = Some(cluster.secret.0);
        }
    }

    pub fn see_configuration(&mut self, cluster: &Cluster) {
        if !self.cut && !self.paused {
            self.machine.see_configuration(cluster.configuration.1.clone());
        }
    }

    /// One step, as the driver does it; whether there may be another.
    pub fn step(&mut self, cluster: &mut Cluster) -> bool {
        if self.paused {
            return false;
        }
        let now = shifted(cluster.now, self.skew);
        let more = match self.machine.step(now).unwrap() {
            None => false,
            Some(Step::Serve(credentials)) => {
                self.serving = Some(credentials);
                true
            }
            Some(_) if self.cut => false,
            // Another replica was faster: the API server refuses the old resourceVersion.
            Some(Step::Store(..)) if self.seen_secret != Some(cluster.secret.0) => false,
            Some(Step::Store(data, why)) => {
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
            Some(Step::Publish { .. }) if self.seen_secret != Some(cluster.secret.0) => {
                self.see_secret(cluster);
                true
            }
            Some(Step::Publish { entries, bundle }) => {
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

pub struct World {
    pub cluster: Cluster,
    pub replicas: Vec<Replica>,
}

impl World {
    /// As `helm install` leaves it, some seconds later.
    pub fn installed(replicas: usize) -> Self {
        let mut cluster = Cluster {
            now: start(),
            version: 0,
            secret: (0, Some(Data::new())),
            configuration: (0, None),
            backups: Vec::new(),
            revoked: None,
            planted: Vec::new(),
        };
        cluster.write_bundles(b"");
        let mut world = Self { cluster, replicas: (0..replicas).map(|_| Replica::new()).collect() };
        world.settle();
        world
    }

    /// Everybody sees everything and does everything, until nobody has anything left to do.
    pub fn settle(&mut self) {
        for _ in 0..50 {
            let mut busy = false;
            let before = self.cluster.version;
            for replica in &mut self.replicas {
                replica.see_secret(&self.cluster);
                replica.see_configuration(&self.cluster);
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
            self.check("after a tick");
        }
    }

    pub fn check(&self, when: &str) {
        let now = self.cluster.now;
        let mut bundles: Vec<_> =
            self.cluster.configuration.1.iter().flatten().map(|entry| &entry.bundle).collect();
        bundles.dedup();
        // Once all CAs of a bundle have expired, it trusts nothing that anybody could serve.
        let clients: Vec<_> = bundles.into_iter().filter_map(|bundle| client_of(bundle, now)).collect();
        for (place, replica) in self.replicas.iter().enumerate() {
            let Some(serving) = &replica.serving else { continue };
            if replica.trusted && serving.not_after() >= now && !replica.paused {
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
        assert!(contents.is_said_by(secret));
        for entry in self.cluster.configuration.1.as_ref().unwrap() {
            assert_eq!(entry.bundle, secret["bundle.crt"], "{}", entry.name);
        }
        for replica in &self.replicas {
            assert!(replica.trusted && replica.machine.is_verified(self.cluster.now));
            assert_eq!(replica.machine.out_of_sync(), []);
            assert_eq!(replica.machine.troubles(), []);
        }
    }

    pub fn ca_certificate(&self) -> Vec<u8> {
        self.cluster.secret.1.as_ref().unwrap()["ca.crt"].clone()
    }
}
