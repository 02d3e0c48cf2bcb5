//! Self-managed certificates: several replicas of the state machine around one modelled cluster, with a
//! clock of the test's own.
//!
//! The law: whatever happens to the Secret, to replicas and to their connection, no ready replica ever
//! serves a certificate that the API server, as it is configured at that instant, does not trust; and when
//! things calm down everything is as it should be. The judge is webpki, with roots as Go takes them.
#![allow(unreachable_pub, reason = "one program")]

mod client;
mod clocks;
mod cluster;
mod events;
mod fixture;
mod keeper;
mod planted;
mod replica;
mod revoked;
mod separate;

use std::time::Duration;

use gomemlimit::certs::{Authority, CaCertificate, Contents, Problem, SecretData, StoreReason};
use proptest::prelude::*;

use self::{
    events::{Damage, event},
    fixture::{Fixture, HOUR, NAME, PUBLISH_DELAY, Replica, TICK, accepts, start},
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn nothing_untrusted_is_ever_served(events in prop::collection::vec(event(), 1..40)) {
        let mut fixture = Fixture::installed(3);
        fixture.check_calm();
        for event in &events {
            fixture.befalls(event);
        }
        fixture.restore_secret();
        fixture.check_calm();
        // And nothing of it lasts: two rotations later only the signer and what is unexpired are trusted.
        fixture.advance(HOUR * 3);
        fixture.check_calm();
        let secret = fixture.cluster.secret.1.as_ref().unwrap();
        assert!(CaCertificate::all_from_pem(&secret["bundle.crt"]).len() <= 3);
    }
}

#[test]
fn three_replicas_agree_on_one_ca_and_each_signs_its_own_leaf() {
    let mut fixture = Fixture::installed(3);
    fixture.check_calm();
    let minted = fixture.replicas.iter().flat_map(|replica| &replica.log).collect::<Vec<_>>();
    assert_eq!(minted, [&StoreReason::Created("it is empty".to_owned())]);
    let mut leaves: Vec<_> =
        fixture.replicas.iter().map(|replica| replica.serving.as_ref().unwrap().chain()[0].clone()).collect();
    leaves.dedup();
    assert_eq!(leaves.len(), 3);
}

#[test]
fn a_certificate_is_renewed_at_the_time_it_says_and_no_event_is_needed_for_it() {
    let mut fixture = Fixture::installed(1);
    for _ in 0..3 {
        let replica = &mut fixture.replicas[0];
        let expires = replica.serving.as_ref().unwrap().not_after();
        fixture.cluster.now = replica.machine.renew_at().unwrap() - Duration::from_millis(1);
        assert!(!replica.step(&mut fixture.cluster), "not before");
        fixture.cluster.now += Duration::from_millis(1);
        assert!(fixture.cluster.now < expires, "in good time");
        assert!(replica.step(&mut fixture.cluster), "renewed");
        assert!(replica.serving.as_ref().unwrap().not_after() > expires);
        assert!(replica.machine.renew_at().unwrap() > fixture.cluster.now);
    }
}

#[test]
fn the_next_ca_is_trusted_for_the_delay_before_it_signs_and_the_old_one_until_it_expires() {
    let mut fixture = Fixture::installed(2);
    let first = fixture.ca_certificate();
    fixture.advance(HOUR * 2 / 3);
    let announced = fixture.cluster.now;
    let secret = fixture.cluster.secret.1.clone().unwrap();
    assert_eq!(secret["ca.crt"], first, "the first signs on");
    let next = secret["next.crt"].clone();
    let is_trusted = |fixture: &Fixture, ca: &[u8]| {
        let live = &fixture.cluster.configuration.1.as_ref().unwrap()[0].bundle;
        live.windows(ca.len()).any(|part| part == ca)
    };
    assert!(is_trusted(&fixture, &next) && is_trusted(&fixture, &first));
    while fixture.ca_certificate() == first {
        fixture.advance(TICK);
    }
    let waited = fixture.cluster.now.duration_since(announced).unwrap();
    assert!(waited >= PUBLISH_DELAY && waited <= PUBLISH_DELAY + TICK * 2, "{waited:?}");
    assert_eq!(fixture.ca_certificate(), next);
    assert!(is_trusted(&fixture, &first), "replicas that did not notice yet still serve what it signed");
    fixture.advance(HOUR / 3);
    assert!(!is_trusted(&fixture, &first), "expired");
    fixture.check_calm();
}

#[test]
fn a_secret_that_lost_its_ca_is_restored_from_memory() {
    for damage in [Damage::Emptied, Damage::Garbage("ca.key"), Damage::Removed("ca.crt")] {
        let mut fixture = Fixture::installed(2);
        let before = fixture.ca_certificate();
        fixture.damage(&damage);
        fixture.settle();
        assert_eq!(fixture.ca_certificate(), before, "{damage:?}");
        fixture.check_calm();
    }
}

#[test]
fn a_deleted_secret_is_survived_until_helm_restores_it() {
    let mut fixture = Fixture::installed(2);
    let before = fixture.ca_certificate();
    fixture.damage(&Damage::Deleted);
    fixture.advance(HOUR / 2);
    for replica in &fixture.replicas {
        assert_eq!(replica.machine.problems(), [Problem::SecretMissing]);
        assert!(replica.machine.is_verified(fixture.cluster.now), "leaves are renewed from memory");
    }
    assert!(fixture.cluster.secret.1.is_none(), "never created");
    fixture.cluster.write_secret(Some(SecretData::new()));
    fixture.settle();
    assert_eq!(fixture.ca_certificate(), before);
    fixture.check_calm();
}

#[test]
fn a_missing_configuration_is_left_missing_and_nobody_becomes_ready_without_it() {
    let mut fixture = Fixture::installed(1);
    fixture.cluster.configuration = (fixture.cluster.version + 1, None);
    fixture.replicas.push(Replica::new());
    fixture.advance(HOUR * 2);
    assert!(fixture.cluster.configuration.1.is_none());
    assert!(!fixture.replicas[1].trusted);
    assert_eq!(fixture.replicas[0].machine.problems(), [Problem::ConfigurationMissing]);
}

#[test]
fn a_ca_signs_for_its_own_service_only() {
    let now = start();
    let ca = Authority::generate(NAME, now, HOUR).unwrap();
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
    let other = Authority::generate("gomemlimit.other.svc", now, HOUR).unwrap();
    let data = Contents { current: other, next: None, retired: vec![] }.to_data();
    let unusable = Contents::parse(&data, NAME, now).unwrap_err().to_string();
    assert!(unusable.starts_with("its CA cannot be used: "), "{unusable}");
    assert!(unusable.contains("not limited to the name of the Service"), "{unusable}");
}

#[test]
fn no_certificate_is_valid_longer_than_its_ca() {
    let now = start();
    let ca = Authority::generate(NAME, now, HOUR).unwrap();
    let leaf = ca.sign(NAME, now, HOUR * 24).unwrap();
    assert_eq!(leaf.credentials.not_after(), ca.certificate.not_after);
}
