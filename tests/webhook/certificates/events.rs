//! What may befall that cluster.

use std::time::Duration;

use gomemlimit::certs::{Authority, CaCertificate, Contents, Fingerprint, SecretData};
use proptest::prelude::*;

use super::{
    fixture::{Fixture, HOUR, NAME, Replica, shifted},
    planted::{self, Planted, plant},
};

/// What befalls the Secret.
#[derive(Clone, Debug)]
pub enum Damage {
    Emptied,
    Deleted,
    Cut(&'static str, prop::sample::Index),
    Garbage(&'static str),
    Removed(&'static str),
    AnotherCa,
    Backup(prop::sample::Index),
    /// Somebody appends a foreign CA.
    Planted(Planted),
    /// The same, beside one that is there, to sign and to sign next.
    PlantedSigner(Planted),
    /// More CAs than are kept, made exactly like own ones, by somebody who has their keys; with the minutes until they end.
    Copies(u64),
}

#[derive(Clone, Debug)]
pub enum Event {
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
    /// Somebody revokes the CA that signs, the next one, an old one or something else; 4: takes back the list.
    Revoked(u8),
    /// The clocks of all, the API server's too, jump by seconds.
    Jump(i64),
    /// The clock of one replica is that far from the others from now on.
    Skew(usize, i64),
}

pub fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(gomemlimit::certs::KEYS.to_vec())
}

pub fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        Just(Damage::Emptied),
        Just(Damage::Deleted),
        (key(), any::<prop::sample::Index>()).prop_map(|(key, at)| Damage::Cut(key, at)),
        key().prop_map(Damage::Garbage),
        key().prop_map(Damage::Removed),
        Just(Damage::AnotherCa),
        any::<prop::sample::Index>().prop_map(Damage::Backup),
        prop::sample::select(planted::ALL.to_vec()).prop_map(Damage::Planted),
        prop::sample::select(planted::ALL.to_vec()).prop_map(Damage::PlantedSigner),
        (1..40_u64).prop_map(Damage::Copies),
    ]
}

pub fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1..4000_u64).prop_map(Event::Advance),
        3 => damage().prop_map(Event::Damage),
        1 => (0..3_u8).prop_map(Event::Bundle),
        1 => Just(Event::ConfigurationReplaced),
        1 => (0..5_u8).prop_map(Event::Revoked),
        2 => (0..3_usize).prop_map(Event::Restart),
        1 => (0..3_usize, any::<bool>(), 1..9000_u64).prop_map(|(who, how, long)| Event::Away(who, how, long)),
        12 => (0..3_usize, 0..4_u8).prop_map(|(who, what)| Event::One(who, what)),
    ]
}

impl Fixture {
    pub fn damage(&mut self, damage: &Damage) {
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
                let other = Authority::generate(NAME, self.cluster.now, HOUR).unwrap();
                data = Contents { current: other, next: None, retired: vec![] }.to_data();
            }
            Damage::Planted(how) => {
                let (planted, _) = plant(*how, self.cluster.now);
                self.forbid(&planted);
                return self.append_to_bundle(&planted);
            }
            Damage::PlantedSigner(how) => {
                let (planted, key) = plant(*how, self.cluster.now);
                // One of our form with its key is a CA of somebody who may write the Secret.
                if *how != Planted::TooLong {
                    self.forbid(&planted);
                    for (name, value) in [("ca", &planted), ("next", &planted)] {
                        data.insert(format!("{name}.crt"), value.clone().into_bytes());
                        data.insert(format!("{name}.key"), key.clone().into_bytes());
                    }
                }
            }
            Damage::Copies(minutes) => {
                for _ in 0..17 {
                    let lifetime = Duration::from_mins(*minutes);
                    let copy = Authority::generate(NAME, self.cluster.now, lifetime).unwrap();
                    self.append_to_bundle(&copy.certificate.to_pem());
                }
                return;
            }
            Damage::Backup(at) => {
                if !self.cluster.backups.is_empty() {
                    data = at.get(&self.cluster.backups).clone();
                }
            }
        }
        self.cluster.write_secret(Some(data));
    }

    fn forbid(&mut self, pem: &str) {
        self.cluster.planted.extend(CaCertificate::all_from_pem(pem.as_bytes()));
    }

    /// Adds a CA of the Secret to the list of revoked ones.
    pub fn revoke(&mut self, what: u8) {
        let Some(data) = &self.cluster.secret.1 else { return };
        let bundle = data.get("bundle.crt").cloned().unwrap_or_default();
        let bundle = CaCertificate::all_from_pem(&bundle);
        let of = |key: &str| {
            CaCertificate::all_from_pem(data.get(key).map_or(&[], Vec::as_slice)).into_iter().next()
        };
        let one = match what {
            0 => of("ca.crt").map(|ca| Fingerprint::of(&ca).to_string()),
            1 => of("next.crt").map(|ca| Fingerprint::of(&ca).to_string()),
            2 => bundle.last().map(|ca| Fingerprint::of(ca).to_string()),
            3 => Some("what is no fingerprint".to_owned()),
            _ => return self.cluster.annotate(None),
        };
        let list = self.cluster.revoked.iter().cloned().chain(one).collect::<Vec<_>>();
        self.cluster.annotate(Some(list.join(", ")));
    }

    /// `helm upgrade` brings an empty Secret where there is none.
    pub fn restore_secret(&mut self) {
        if self.cluster.secret.1.is_none() {
            self.cluster.write_secret(Some(SecretData::new()));
        }
    }

    pub fn befalls(&mut self, event: &Event) {
        match event {
            Event::Advance(seconds) => self.advance(Duration::from_secs(*seconds)),
            Event::Damage(damage) => {
                self.settle();
                self.restore_secret();
                self.settle();
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
            // Its node's clock stays as it is.
            Event::Restart(who) => {
                let new = if self.mounts.is_empty() { Replica::new() } else { Replica::keeper() };
                let Replica { skew, deposits, .. } = self.replicas[*who];
                self.replicas[*who] = Replica { skew, deposits, ..new };
            }
            Event::Revoked(what) => {
                self.settle();
                self.revoke(*what);
                self.settle();
                // What a revoked CA signed is trusted no more, though kubelet may still be late.
                self.arrive();
            }
            // Until a replica has looked at the clock, what it serves may have expired or be of a CA that has.
            Event::Jump(seconds) => {
                self.cluster.now = shifted(self.cluster.now, *seconds);
                self.settle();
            }
            Event::Skew(who, seconds) => self.replicas[*who].skew = *seconds,
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
                    2 if !self.mounts.is_empty() => replica.see_serving(&self.cluster),
                    _ => drop(replica.step(&mut self.cluster)),
                }
            }
        }
        self.refresh();
        self.check(&format!("after {event:?}"));
    }
}
