//! Self-managed certificates: several replicas of the state machine around one modelled cluster, with a
//! clock of the test's own.
//!
//! The law: whatever happens to the Secret, to replicas and to their connection, no ready replica ever
//! serves a certificate that the API server, as it is configured at that instant, does not trust; and when
//! things calm down everything is as it should be. The judge is webpki, with roots as Go takes them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub, reason = "one program")]

mod client;
mod clocks;
mod events;
mod keeper;
mod planted;
mod revoked;
mod separate;
mod world;

use std::time::Duration;

use gomemlimit::certs::{Authority, CaCertificate, Contents, Data, Stored, Trouble};
use proptest::prelude::*;

use crate::{
    events::{Damage, event},
    world::{HOUR, NAME, PUBLISH_DELAY, Replica, TICK, World, accepts, start},
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn nothing_untrusted_is_ever_served(events in prop::collection::vec(event(), 1..40)) {
        let mut world = World::installed(3);
        world.check_calm();
        for event in &events {
            world.befalls(event);
        }
        world.restore_secret();
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
fn a_certificate_is_renewed_at_the_time_it_says_and_no_event_is_needed_for_it() {
    let mut world = World::installed(1);
    for _ in 0..3 {
        let replica = &mut world.replicas[0];
        let expires = replica.serving.as_ref().unwrap().not_after();
        world.cluster.now = replica.machine.renew_at().unwrap() - Duration::from_millis(1);
        assert!(!replica.step(&mut world.cluster), "not before");
        world.cluster.now += Duration::from_millis(1);
        assert!(world.cluster.now < expires, "in good time");
        assert!(replica.step(&mut world.cluster), "renewed");
        assert!(replica.serving.as_ref().unwrap().not_after() > expires);
        assert!(replica.machine.renew_at().unwrap() > world.cluster.now);
    }
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
    let unusable = Contents::parse(&data, NAME, now).unwrap_err().to_string();
    assert!(unusable.starts_with("its CA cannot be used: "), "{unusable}");
    assert!(unusable.contains("not limited to the name of the Service"), "{unusable}");
}

#[test]
fn no_certificate_is_valid_longer_than_its_ca() {
    let now = start();
    let ca = Authority::mint(NAME, now, HOUR).unwrap();
    let leaf = ca.sign(NAME, now, HOUR * 24).unwrap();
    assert_eq!(leaf.credentials.not_after(), ca.certificate.not_after);
}
