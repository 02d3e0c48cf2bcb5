//! A modelled cluster with replicas, and what has to hold in it at every instant.

use std::time::Duration;

use gomemlimit::certs::{Contents, SecretData};

use super::cluster::{client_of, verifies};
pub use super::{
    cluster::{Cluster, HOUR, NAME, PUBLISH_DELAY, TICK, accepts, settings, start},
    replica::{Mount, Replica, shifted},
};

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
