//! Somebody revokes CAs: an annotation of the Secret lists their fingerprints.

use gomemlimit::certs::{Authority, CaCertificate, Change, Contents, Fingerprint, SecretData, StoreReason};
use rstest::rstest;

use super::fixture::{Fixture, HOUR, NAME, PUBLISH_DELAY, Replica, TICK};

impl Fixture {
    fn signer(&self) -> CaCertificate {
        CaCertificate::all_from_pem(&self.ca_certificate()).remove(0)
    }

    fn revoke_one(&mut self, ca: &CaCertificate) {
        let list = self.cluster.revoked.iter().cloned().chain([Fingerprint::of(ca).to_string()]);
        self.cluster.annotate(Some(list.collect::<Vec<_>>().join(",")));
    }

    fn is_trusted(&self, ca: &CaCertificate) -> bool {
        self.trusts(&ca.to_pem())
    }
}

#[rstest]
fn the_ca_that_signs_is_revoked_and_all_replicas_serve_from_a_new_one(#[values(1, 3)] replicas: usize) {
    let mut fixture = Fixture::installed(replicas);
    let revoked = fixture.signer();
    fixture.revoke_one(&revoked);
    fixture.settle();
    assert!(!fixture.is_trusted(&revoked));
    assert_ne!(fixture.signer(), revoked);
    fixture.check_calm();
    // Idempotent: nobody writes anything because it is listed twice, or still.
    let before = fixture.signer();
    fixture.revoke_one(&revoked);
    fixture.settle();
    let version = fixture.cluster.version;
    fixture.advance(TICK * 5);
    assert_eq!((fixture.signer(), fixture.cluster.version), (before, version));
}

#[test]
fn the_next_ca_takes_over_at_once_if_it_is_not_revoked_itself() {
    for both in [false, true] {
        let mut fixture = Fixture::installed(2);
        let first = fixture.signer();
        fixture.advance(HOUR * 2 / 3);
        let next = fixture.cluster.secret.1.as_ref().unwrap()["next.crt"].clone();
        let next = CaCertificate::all_from_pem(&next).remove(0);
        fixture.revoke_one(&first);
        if both {
            fixture.revoke_one(&next);
        }
        fixture.settle();
        assert_eq!(fixture.signer() == next, !both);
        assert_eq!((fixture.is_trusted(&first), fixture.is_trusted(&next)), (false, !both));
        fixture.check_calm();
    }
}

#[test]
fn a_next_ca_that_is_revoked_is_replaced_and_an_old_one_is_dropped() {
    let mut fixture = Fixture::installed(2);
    let first = fixture.signer();
    fixture.advance(HOUR * 2 / 3);
    let next = fixture.cluster.secret.1.as_ref().unwrap()["next.crt"].clone();
    let next = CaCertificate::all_from_pem(&next).remove(0);
    fixture.revoke_one(&next);
    fixture.settle();
    assert!(!fixture.is_trusted(&next) && fixture.signer() == first);
    fixture.advance(PUBLISH_DELAY + TICK * 2);
    assert!(fixture.signer() != first && fixture.is_trusted(&first), "rotated, and the first is old");
    fixture.revoke_one(&first);
    fixture.settle();
    assert!(!fixture.is_trusted(&first));
    fixture.check_calm();
}

#[test]
fn neither_memory_nor_a_restart_nor_a_copy_of_the_secret_brings_back_a_revoked_ca() {
    let mut fixture = Fixture::installed(3);
    let (revoked, copy) = (fixture.signer(), fixture.cluster.secret.1.clone());
    // The third replica does not hear of it until later.
    fixture.replicas[2].cut = true;
    fixture.revoke_one(&revoked);
    fixture.settle();
    for damage in [Some(SecretData::new()), copy.clone(), None, Some(SecretData::new())] {
        fixture.cluster.write_secret(damage);
        fixture.settle();
        assert!(!fixture.is_trusted(&revoked));
    }
    // The Secret was deleted, and with it the list; who remembers writes it again.
    assert!(fixture.cluster.is_revoked(&revoked));
    fixture.replicas[2].cut = false;
    fixture.check_calm();
    assert!(!fixture.is_trusted(&revoked), "the third replica brings it back");
    fixture.replicas = vec![Replica::new(), Replica::new()];
    fixture.cluster.write_secret(copy);
    fixture.check_calm();
    assert!(!fixture.is_trusted(&revoked) && fixture.signer() != revoked);
}

#[test]
fn a_replica_without_a_secret_neither_signs_with_a_revoked_ca_nor_publishes_it() {
    let mut fixture = Fixture::installed(1);
    let revoked = fixture.signer();
    fixture.replicas[0].machine.observe_revoked(Some(&Fingerprint::of(&revoked).to_string()));
    fixture.cluster.write_secret(None);
    let before = fixture.replicas[0].serving.as_ref().unwrap().chain().to_vec();
    fixture.advance(HOUR / 4);
    assert_eq!(fixture.replicas[0].serving.as_ref().unwrap().chain(), before, "nothing new is signed");
    fixture.cluster.write_bundles(b"");
    fixture.settle();
    assert!(!fixture.is_trusted(&revoked));
    fixture.restore_secret();
    fixture.check_calm();
    assert_ne!(fixture.signer(), revoked);
}

#[test]
fn a_list_that_cannot_be_read_is_reported_and_ignored_part_by_part() {
    let mut fixture = Fixture::installed(1);
    let revoked = fixture.signer();
    let colons = Fingerprint::of(&revoked).to_string().to_uppercase();
    let colons = colons.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    let colons = colons.collect::<Vec<_>>().join(":");
    fixture.replicas[0].machine.take_changes();
    fixture.cluster.annotate(Some(format!("all, {colons},\n,0123")));
    fixture.settle();
    let changes = fixture.replicas[0].machine.take_changes();
    let unreadable = |part: &str| Change::Unreadable(part.to_owned());
    assert_eq!(changes[..2], [unreadable("all"), unreadable("0123")]);
    assert!(!fixture.is_trusted(&revoked));
    fixture.check_calm();
    assert_eq!(fixture.replicas[0].machine.take_changes(), [], "once");
}

#[test]
fn an_admin_is_obeyed_who_revokes_a_ca_that_was_put_there_by_hand() {
    let mut fixture = Fixture::installed(2);
    let first = fixture.signer();
    let other = Authority::generate(NAME, fixture.cluster.now, HOUR).unwrap();
    let planted = other.certificate.clone();
    let data = Contents { current: other, next: None, retired: vec![] }.to_data();
    fixture.cluster.write_secret(Some(data));
    fixture.settle();
    assert!(fixture.is_trusted(&planted), "made exactly like an own one, so it is taken over");
    fixture.revoke_one(&planted);
    fixture.settle();
    assert!(!fixture.is_trusted(&planted) && fixture.is_trusted(&first));
    let last = fixture.replicas.iter().filter_map(|replica| replica.log.last()).collect::<Vec<_>>();
    assert!(
        last.iter().any(|why| matches!(why, StoreReason::Created(problem) if problem.contains("revoked"))),
        "{last:?}"
    );
    fixture.check_calm();
}
