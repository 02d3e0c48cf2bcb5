//! Separate keepers, which write the certificate into a Secret, and replicas that mount it and have no rights.
//!
//! The law of main.rs, with one more way to be late: kubelet brings a changed Secret into a pod minutes later.

use std::time::Duration;

use gomemlimit::{
    certs::{Problem, SecretData},
    serve::tls::Credentials,
};
use proptest::prelude::*;
use rstest::rstest;

use super::{
    events::{Damage, Event, event},
    fixture::{Fixture, HOUR, NAME, Replica, TICK, accepts},
};

const DAY: i64 = 24 * 60 * 60;

impl Fixture {
    fn deposits(&self) -> usize {
        self.replicas.iter().map(|keeper| keeper.deposits).sum()
    }

    /// Somebody writes the serving Secret, and the keepers see it before kubelet does.
    fn damage_serving(&mut self, what: u8) {
        let mut data = self.cluster.serving.1.clone().unwrap_or_default();
        match what {
            0 => data = SecretData::new(),
            1 => drop(data.insert("tls.key".to_owned(), b"garbage".to_vec())),
            2 => drop(data.remove("tls.crt")),
            _ => {
                self.cluster.write_serving(None);
                self.settle();
                data = SecretData::new();
            }
        }
        self.cluster.write_serving(Some(data));
        self.settle();
    }

    /// What everybody serves is trusted, kubelet having had its time.
    fn check_mounts(&mut self) {
        self.settle();
        self.refresh();
        self.advance(TICK * 2);
        self.check_calm();
        let entries = self.cluster.configuration.1.as_ref().unwrap();
        for mount in &self.mounts {
            let serving = mount.serving.as_ref().unwrap();
            assert!(entries.iter().all(|entry| accepts(&entry.bundle, NAME, serving, self.cluster.now)));
        }
    }
}

#[derive(Clone, Debug)]
enum KeeperEvent {
    One(Event),
    Serving(u8),
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn nothing_untrusted_is_ever_mounted(
        events in prop::collection::vec(prop_oneof![
            6 => event().prop_map(KeeperEvent::One),
            1 => (0..4_u8).prop_map(KeeperEvent::Serving),
        ], 1..40),
    ) {
        let mut fixture = Fixture::separate(3);
        fixture.check_mounts();
        for event in &events {
            match event {
                // A keeper that has just begun knows of what was served before only what the Secrets hold, so one of
                // three stays.
                KeeperEvent::One(Event::Restart(2)) => {}
                KeeperEvent::One(event) => fixture.befalls(event),
                KeeperEvent::Serving(what) => fixture.damage_serving(*what),
            }
            fixture.refresh();
            fixture.check("after damage");
        }
        fixture.restore_secret();
        fixture.check_mounts();
        fixture.advance(HOUR * 3);
        fixture.check_mounts();
    }
}

#[test]
fn three_keepers_write_one_certificate_and_renew_it_once() {
    let mut fixture = Fixture::separate(3);
    fixture.check_mounts();
    assert_eq!(fixture.deposits(), 1);
    // Three lifetimes of ten minutes, each renewed after two thirds.
    fixture.advance(Duration::from_mins(20));
    assert_eq!(fixture.deposits(), 4);
}

/// The lifetimes of the test are short: an hour for a CA, ten minutes for a certificate.
#[test]
fn without_a_keeper_replicas_serve_on_until_the_certificate_ends() {
    let mut fixture = Fixture::separate(1);
    let keeper = std::mem::take(&mut fixture.replicas);
    let before = fixture.cluster.version;
    // It may have been renewed a moment before its time: a third of its lifetime is left.
    fixture.advance(Duration::from_mins(3));
    let is_served = |fixture: &Fixture| {
        let entries = fixture.cluster.configuration.1.as_ref().unwrap();
        let is_fine = |serving: &Credentials| {
            entries.iter().all(|entry| accepts(&entry.bundle, NAME, serving, fixture.cluster.now))
        };
        fixture.mounts.iter().all(|mount| mount.serving.as_ref().is_some_and(is_fine))
    };
    assert!(is_served(&fixture));
    assert_eq!(fixture.cluster.version, before, "nobody writes anything");
    // Far too late, the certificate has expired and so has the CA: everything is made anew.
    fixture.advance(HOUR * 2);
    assert!(!is_served(&fixture));
    fixture.replicas = keeper;
    fixture.check_mounts();
    assert!(is_served(&fixture));
    fixture.replicas = vec![Replica::keeper()];
    fixture.check_mounts();
}

#[test]
fn a_ca_that_was_replaced_while_no_keeper_ran_does_not_take_trust_from_what_is_mounted() {
    for damage in [Damage::AnotherCa, Damage::Emptied] {
        let mut fixture = Fixture::separate(1);
        fixture.replicas.clear();
        fixture.damage(&damage);
        fixture.replicas.push(Replica::keeper());
        let served = fixture.mounts[1].serving.as_ref().unwrap().chain().to_vec();
        fixture.settle();
        fixture.refresh();
        fixture.check("before kubelet has brought the new certificate");
        assert_eq!(
            fixture.mounts[1].serving.as_ref().unwrap().chain(),
            served,
            "{damage:?}: still the old one"
        );
        fixture.check_mounts();
        assert_ne!(fixture.mounts[1].serving.as_ref().unwrap().chain(), served, "{damage:?}");
    }
}

#[test]
fn a_ca_that_is_replaced_twice_before_kubelet_has_brought_anything_is_trusted_on() {
    let mut fixture = Fixture::separate(1);
    let first = fixture.ca_certificate();
    let served = fixture.mounts[1].serving.as_ref().unwrap().chain().to_vec();
    for _ in 0..2 {
        fixture.damage(&Damage::AnotherCa);
        fixture.settle();
        fixture.refresh();
        fixture.check("between two CAs");
        assert_eq!(fixture.mounts[1].serving.as_ref().unwrap().chain(), served, "still the old one");
    }
    fixture.check_mounts();
    // What is taken away once more is not put back.
    let secret = fixture.cluster.secret.1.clone().unwrap();
    let without = String::from_utf8(secret["bundle.crt"].clone()).unwrap();
    let without = without.replace(std::str::from_utf8(&first).unwrap(), "");
    let mut data = secret;
    data.insert("bundle.crt".to_owned(), without.into_bytes());
    fixture.cluster.write_secret(Some(data));
    fixture.settle();
    let bundle = &fixture.cluster.secret.1.as_ref().unwrap()["bundle.crt"];
    assert!(!bundle.windows(first.len()).any(|part| part == first));
    fixture.check_mounts();
}

#[test]
fn a_deleted_serving_secret_is_said_and_never_created() {
    let mut fixture = Fixture::separate(2);
    fixture.cluster.write_serving(None);
    fixture.advance(TICK * 2);
    for keeper in &fixture.replicas {
        assert_eq!(keeper.machine.problems(), [Problem::ServingSecretMissing]);
    }
    assert!(fixture.cluster.serving.1.is_none());
    fixture.check("replicas have what they mounted");
    fixture.cluster.write_serving(Some(SecretData::new()));
    fixture.check_mounts();
}

#[test]
fn while_the_configuration_is_deleted_a_certificate_is_renewed_and_none_of_another_ca_is_written() {
    let mut fixture = Fixture::separate(1);
    let before = fixture.deposits();
    fixture.cluster.configuration = (fixture.cluster.version + 1, None);
    fixture.advance(Duration::from_mins(20));
    assert_eq!(fixture.deposits() - before, 3, "renewed");
    let another = fixture.deposits();
    fixture.damage(&Damage::AnotherCa);
    fixture.advance(Duration::from_mins(5));
    assert_eq!(fixture.deposits(), another);
    fixture.cluster.write_bundles(b"");
    fixture.check_mounts();
    assert_eq!(fixture.deposits(), another + 1);
}

#[rstest]
fn a_keeper_whose_clock_is_wrong_does_not_fight_with_another(
    #[values(-20 * 365 * DAY, -DAY, -300, 300, 3000, DAY, 20 * 365 * DAY)] skew: i64,
) {
    let mut fixture = Fixture::separate(2);
    if skew > 3600 {
        // It takes the CA for expired, and what kubelet brings later is not trusted until then.
        fixture.mounts.truncate(1);
    }
    fixture.replicas[0].skew = skew;
    fixture.settle();
    fixture.advance(TICK * 2);
    let before = (fixture.deposits(), fixture.cluster.version);
    fixture.advance(TICK * 5);
    let (deposits, writes) = (fixture.deposits() - before.0, fixture.cluster.version - before.1);
    assert!(deposits <= 2 && writes <= 10, "{deposits} deposits, {writes} writes in five minutes");
    fixture.replicas[0].skew = 0;
    fixture.check_mounts();
}
