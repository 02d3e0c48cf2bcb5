//! Self-managed certificates: several replicas of the state machine around one modelled cluster, with a
//! clock of the test's own.
//!
//! The law: whatever happens to the Secret, to replicas and to their connection, no ready replica ever
//! serves a certificate that the API server, as it is configured at that instant, does not trust; and when
//! things calm down everything is as it should be. The judge is webpki, with roots as Go takes them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::{Duration, SystemTime};

use gomemlimit::{
    certs::{Authority, CaCertificate, Contents, Data, Entry, Machine, Settings, Step, Stored, Trouble},
    serve::tls::{Credentials, provider},
};
use proptest::prelude::*;
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    pki_types::{ServerName, UnixTime},
};

const NAME: &str = "gomemlimit.gomemlimit.svc";
const HOUR: Duration = Duration::from_hours(1);
const TICK: Duration = Duration::from_mins(1);
const PUBLISH_DELAY: Duration = Duration::from_mins(3);

fn settings() -> Settings {
    Settings {
        server_name: NAME.to_owned(),
        ca_life: HOUR,
        leaf_life: Duration::from_mins(10),
        publish_delay: PUBLISH_DELAY,
    }
}

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(500_000)
}

fn accepts(bundle: &[u8], name: &str, credentials: &Credentials, now: SystemTime) -> bool {
    let mut roots = RootCertStore::empty();
    for ca in CaCertificate::all_from_pem(bundle).into_iter().filter(|ca| ca.is_valid_at(now)) {
        roots.add(ca.der).unwrap();
    }
    let Ok(verifier) =
        WebPkiServerVerifier::builder_with_provider(roots.into(), provider::provider()).build()
    else {
        return false;
    };
    let name = ServerName::try_from(name).unwrap();
    let now = UnixTime::since_unix_epoch(now.duration_since(SystemTime::UNIX_EPOCH).unwrap());
    verifier.verify_server_cert(&credentials.chain()[0], &credentials.chain()[1..], &name, &[], now).is_ok()
}

/// The objects in the API server.
struct Cluster {
    now: SystemTime,
    /// Counts every change of either object.
    version: u64,
    secret: (u64, Option<Data>),
    configuration: (u64, Option<Vec<Entry>>),
    /// What the Secret held at earlier times.
    backups: Vec<Data>,
}

impl Cluster {
    fn write_secret(&mut self, data: Option<Data>) {
        self.version += 1;
        self.backups.extend(self.secret.1.clone());
        self.secret = (self.version, data);
    }

    fn write_bundles(&mut self, bundle: &[u8]) {
        self.version += 1;
        let entries = ["namespaces", "resize"]
            .map(|entry| Entry { name: format!("{entry}.gomemlimit.dev"), bundle: bundle.to_vec() });
        self.configuration = (self.version, Some(entries.to_vec()));
    }
}

/// One process.
struct Replica {
    machine: Machine,
    seen_secret: Option<u64>,
    serving: Option<Credentials>,
    trusted: bool,
    /// Stopped by SIGSTOP: does nothing, and serves nobody.
    paused: bool,
    /// Cannot reach the API server.
    cut: bool,
    log: Vec<Stored>,
}

impl Replica {
    fn new() -> Self {
        let machine = Machine::new(settings());
        Self {
            machine,
            seen_secret: None,
            serving: None,
            trusted: false,
            paused: false,
            cut: false,
            log: vec![],
        }
    }

    fn see_secret(&mut self, cluster: &Cluster) {
        if !self.cut && !self.paused {
            self.machine.see_secret(cluster.secret.1.clone());
            self.seen_secret = Some(cluster.secret.0);
        }
    }

    fn see_configuration(&mut self, cluster: &Cluster) {
        if !self.cut && !self.paused {
            self.machine.see_configuration(cluster.configuration.1.clone());
        }
    }

    /// One step, as the driver does it; whether there may be another.
    fn step(&mut self, cluster: &mut Cluster) -> bool {
        if self.paused {
            return false;
        }
        let more = match self.machine.step(cluster.now).unwrap() {
            None => false,
            Some(Step::Serve(credentials)) => {
                self.serving = Some(credentials);
                true
            }
            Some(_) if self.cut => false,
            // Another replica was faster: the API server refuses the old resourceVersion.
            Some(Step::Store(..)) if self.seen_secret != Some(cluster.secret.0) => false,
            Some(Step::Store(data, why)) => {
                cluster.write_secret(Some(data));
                self.log.push(why);
                self.see_secret(cluster);
                true
            }
            Some(Step::Publish { .. }) if self.seen_secret != Some(cluster.secret.0) => {
                self.see_secret(cluster);
                true
            }
            Some(Step::Publish { entries, bundle }) => {
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
        self.trusted |= self.machine.is_verified(cluster.now);
        more
    }
}

struct World {
    cluster: Cluster,
    replicas: Vec<Replica>,
}

impl World {
    /// As `helm install` leaves it, some seconds later.
    fn installed(replicas: usize) -> Self {
        let mut cluster = Cluster {
            now: start(),
            version: 0,
            secret: (0, Some(Data::new())),
            configuration: (0, None),
            backups: Vec::new(),
        };
        cluster.write_bundles(b"");
        let mut world = Self { cluster, replicas: (0..replicas).map(|_| Replica::new()).collect() };
        world.settle();
        world
    }

    /// Everybody sees everything and does everything, until nobody has anything left to do.
    fn settle(&mut self) {
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
                return;
            }
        }
        panic!("replicas fight: {:?}", self.replicas.iter().map(|replica| &replica.log).collect::<Vec<_>>());
    }

    fn advance(&mut self, time: Duration) {
        let until = self.cluster.now + time;
        while self.cluster.now < until {
            self.cluster.now += TICK.min(until.duration_since(self.cluster.now).unwrap());
            self.settle();
            self.check("after a tick");
        }
    }

    fn check(&self, when: &str) {
        let Some(live) = &self.cluster.configuration.1 else { return };
        for (place, replica) in self.replicas.iter().enumerate() {
            let Some(serving) = &replica.serving else { continue };
            let valid = serving.not_after() >= self.cluster.now;
            if replica.trusted && valid && !replica.paused {
                for entry in live {
                    let trusted = accepts(&entry.bundle, NAME, serving, self.cluster.now);
                    assert!(trusted, "replica {place} is not trusted by {} {when}", entry.name);
                }
            }
        }
    }

    /// Everything is as it should be.
    fn check_calm(&mut self) {
        self.settle();
        self.check("when calm");
        let secret = self.cluster.secret.1.as_ref().unwrap();
        let contents = Contents::parse(secret, NAME, self.cluster.now).unwrap();
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

    fn ca_certificate(&self) -> Vec<u8> {
        self.cluster.secret.1.as_ref().unwrap()["ca.crt"].clone()
    }
}

/// What befalls the Secret.
#[derive(Clone, Debug)]
enum Damage {
    Emptied,
    Deleted,
    Cut(&'static str, prop::sample::Index),
    Garbage(&'static str),
    Removed(&'static str),
    AnotherCa,
    Backup(prop::sample::Index),
}

#[derive(Clone, Debug)]
enum Event {
    Advance(u64),
    Damage(Damage),
    /// Somebody writes this into `caBundle`: nothing, garbage, or what was there earlier.
    Bundle(u8),
    ConfigurationReplaced,
    Restart(usize),
    /// `true`: SIGSTOP; `false`: no connection to the API server.
    Away(usize, bool, u64),
    /// One replica sees or does one thing; others may do theirs before it goes on.
    One(usize, u8),
}

fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(gomemlimit::certs::KEYS.to_vec())
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        Just(Damage::Emptied),
        Just(Damage::Deleted),
        (key(), any::<prop::sample::Index>()).prop_map(|(key, at)| Damage::Cut(key, at)),
        key().prop_map(Damage::Garbage),
        key().prop_map(Damage::Removed),
        Just(Damage::AnotherCa),
        any::<prop::sample::Index>().prop_map(Damage::Backup),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1..4000_u64).prop_map(Event::Advance),
        3 => damage().prop_map(Event::Damage),
        1 => (0..3_u8).prop_map(Event::Bundle),
        1 => Just(Event::ConfigurationReplaced),
        2 => (0..3_usize).prop_map(Event::Restart),
        1 => (0..3_usize, any::<bool>(), 1..9000_u64).prop_map(|(who, how, long)| Event::Away(who, how, long)),
        12 => (0..3_usize, 0..3_u8).prop_map(|(who, what)| Event::One(who, what)),
    ]
}

impl World {
    fn damage(&mut self, damage: &Damage) {
        let Some(mut data) = self.cluster.secret.1.clone() else { return };
        match damage {
            Damage::Emptied => data.clear(),
            Damage::Deleted => return self.cluster.write_secret(None),
            Damage::Cut(key, at) => {
                if let Some(value) = data.get_mut(*key) {
                    value.truncate(at.index(value.len().max(1)));
                }
            }
            Damage::Garbage(key) => drop(data.insert((*key).to_owned(), b"\xff garbage \0".to_vec())),
            Damage::Removed(key) => drop(data.remove(*key)),
            Damage::AnotherCa => {
                let other = Authority::mint(NAME, self.cluster.now, HOUR).unwrap();
                data = Contents { signer: other, next: None, retired: vec![] }.to_data();
            }
            Damage::Backup(at) => {
                if !self.cluster.backups.is_empty() {
                    data = at.get(&self.cluster.backups).clone();
                }
            }
        }
        self.cluster.write_secret(Some(data));
    }

    fn befalls(&mut self, event: &Event) {
        match event {
            Event::Advance(seconds) => self.advance(Duration::from_secs(*seconds)),
            Event::Damage(damage) => {
                self.settle();
                if self.cluster.secret.1.is_none() {
                    // `helm upgrade` brings an empty one.
                    self.cluster.write_secret(Some(Data::new()));
                    self.settle();
                }
                self.damage(damage);
            }
            // Until a replica has seen these, nothing can be trusted.
            Event::Bundle(what) => {
                let earlier = self.cluster.backups.iter().find_map(|data| data.get("bundle.crt").cloned());
                let bundle = [Vec::new(), b"garbage".to_vec(), earlier.unwrap_or_default()];
                self.cluster.write_bundles(&bundle[usize::from(*what)]);
                self.settle();
            }
            Event::ConfigurationReplaced => {
                self.cluster.configuration = (self.cluster.version + 1, None);
                self.settle();
                self.cluster.write_bundles(b"");
                self.settle();
            }
            Event::Restart(who) => self.replicas[*who] = Replica::new(),
            Event::Away(who, paused, seconds) => {
                self.settle();
                let replica = &mut self.replicas[*who];
                (replica.paused, replica.cut) = (*paused, !*paused);
                self.advance(Duration::from_secs(*seconds));
                // The first thing after a pause is a tick, with what was known before it.
                self.replicas[*who].paused = false;
                self.replicas[*who].step(&mut self.cluster);
                self.check("after a pause");
                self.replicas[*who].cut = false;
            }
            Event::One(who, what) => {
                let replica = &mut self.replicas[*who];
                match what {
                    0 => replica.see_secret(&self.cluster),
                    1 => replica.see_configuration(&self.cluster),
                    _ => drop(replica.step(&mut self.cluster)),
                }
            }
        }
        self.check(&format!("after {event:?}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn nothing_untrusted_is_ever_served(events in prop::collection::vec(event(), 1..40)) {
        let mut world = World::installed(3);
        world.check_calm();
        for event in &events {
            world.befalls(event);
        }
        if world.cluster.secret.1.is_none() {
            world.cluster.write_secret(Some(Data::new()));
        }
        world.check_calm();
        // And nothing of it lasts: two rotations later only the signer and what is unexpired are trusted.
        world.advance(HOUR * 3);
        world.check_calm();
        let secret = world.cluster.secret.1.as_ref().unwrap();
        assert!(CaCertificate::all_from_pem(&secret["bundle.crt"]).len() <= 3);
    }
}

#[test]
fn three_replicas_agree_on_one_ca_and_each_signs_its_own_leaf() {
    let mut world = World::installed(3);
    world.check_calm();
    let minted = world.replicas.iter().flat_map(|replica| &replica.log).collect::<Vec<_>>();
    assert_eq!(minted, [&Stored::Minted("it is empty".to_owned())]);
    let mut leaves: Vec<_> =
        world.replicas.iter().map(|replica| replica.serving.as_ref().unwrap().chain()[0].clone()).collect();
    leaves.dedup();
    assert_eq!(leaves.len(), 3);
}

#[test]
fn the_next_ca_is_trusted_for_the_delay_before_it_signs_and_the_old_one_until_it_expires() {
    let mut world = World::installed(2);
    let first = world.ca_certificate();
    world.advance(HOUR * 2 / 3);
    let announced = world.cluster.now;
    let secret = world.cluster.secret.1.clone().unwrap();
    assert_eq!(secret["ca.crt"], first, "the first signs on");
    let next = secret["next.crt"].clone();
    let is_trusted = |world: &World, ca: &[u8]| {
        let live = &world.cluster.configuration.1.as_ref().unwrap()[0].bundle;
        live.windows(ca.len()).any(|part| part == ca)
    };
    assert!(is_trusted(&world, &next) && is_trusted(&world, &first));
    while world.ca_certificate() == first {
        world.advance(TICK);
    }
    let waited = world.cluster.now.duration_since(announced).unwrap();
    assert!(waited >= PUBLISH_DELAY && waited <= PUBLISH_DELAY + TICK * 2, "{waited:?}");
    assert_eq!(world.ca_certificate(), next);
    assert!(is_trusted(&world, &first), "replicas that did not notice yet still serve what it signed");
    world.advance(HOUR / 3);
    assert!(!is_trusted(&world, &first), "expired");
    world.check_calm();
}

#[test]
fn a_secret_that_lost_its_ca_is_restored_from_memory() {
    for damage in [Damage::Emptied, Damage::Garbage("ca.key"), Damage::Removed("ca.crt")] {
        let mut world = World::installed(2);
        let before = world.ca_certificate();
        world.damage(&damage);
        world.settle();
        assert_eq!(world.ca_certificate(), before, "{damage:?}");
        world.check_calm();
    }
}

#[test]
fn a_deleted_secret_is_survived_until_helm_restores_it() {
    let mut world = World::installed(2);
    let before = world.ca_certificate();
    world.damage(&Damage::Deleted);
    world.advance(HOUR / 2);
    for replica in &world.replicas {
        assert_eq!(replica.machine.troubles(), [Trouble::SecretMissing]);
        assert!(replica.machine.is_verified(world.cluster.now), "leaves are renewed from memory");
    }
    assert!(world.cluster.secret.1.is_none(), "never created");
    world.cluster.write_secret(Some(Data::new()));
    world.settle();
    assert_eq!(world.ca_certificate(), before);
    world.check_calm();
}

#[test]
fn a_missing_configuration_is_left_missing_and_nobody_becomes_ready_without_it() {
    let mut world = World::installed(1);
    world.cluster.configuration = (world.cluster.version + 1, None);
    world.replicas.push(Replica::new());
    world.advance(HOUR * 2);
    assert!(world.cluster.configuration.1.is_none());
    assert!(!world.replicas[1].trusted);
    assert_eq!(world.replicas[0].machine.troubles(), [Trouble::ConfigurationMissing]);
}

#[test]
fn a_ca_signs_for_its_own_service_only() {
    let now = start();
    let ca = Authority::mint(NAME, now, HOUR).unwrap();
    let bundle = ca.certificate.to_pem();
    let leaf = ca.sign(NAME, now, HOUR).unwrap();
    assert!(accepts(bundle.as_bytes(), NAME, &leaf.credentials, now));
    for other in ["kubernetes.default.svc", "gomemlimit.other.svc", "10.0.0.1", "::1"] {
        let forged = ca.sign(other, now, HOUR).unwrap();
        assert!(!accepts(bundle.as_bytes(), other, &forged.credentials, now), "{other}");
    }
    let after = now + HOUR + Duration::from_secs(2);
    assert!(!accepts(bundle.as_bytes(), NAME, &leaf.credentials, after));
}

#[test]
fn a_secret_of_another_namespace_is_not_used() {
    let now = start();
    let other = Authority::mint("gomemlimit.other.svc", now, HOUR).unwrap();
    let data = Contents { signer: other, next: None, retired: vec![] }.to_data();
    let unusable = Contents::parse(&data, NAME, now).unwrap_err();
    assert_eq!(
        unusable.to_string(),
        format!("its CA cannot be used: what it signs for {NAME} is not trusted by its own certificate")
    );
}

#[test]
fn no_certificate_is_valid_longer_than_its_ca() {
    let now = start();
    let ca = Authority::mint(NAME, now, HOUR).unwrap();
    let leaf = ca.sign(NAME, now, HOUR * 24).unwrap();
    assert_eq!(leaf.credentials.not_after(), ca.certificate.not_after);
}
