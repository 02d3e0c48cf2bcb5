//! Somebody revokes CAs: an annotation of the Secret lists their fingerprints.

use gomemlimit::certs::{Authority, CaCertificate, Change, Contents, Data, Fingerprint, Stored};
use rstest::rstest;

use crate::world::{HOUR, NAME, PUBLISH_DELAY, Replica, TICK, World};

impl World {
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
    let mut world = World::installed(replicas);
    let revoked = world.signer();
    world.revoke_one(&revoked);
    world.settle();
    assert!(!world.is_trusted(&revoked));
    assert_ne!(world.signer(), revoked);
    world.check_calm();
    // Idempotent: nobody writes anything because it is listed twice, or still.
    let before = world.signer();
    world.revoke_one(&revoked);
    world.settle();
    let version = world.cluster.version;
    world.advance(TICK * 5);
    assert_eq!((world.signer(), world.cluster.version), (before, version));
}

#[test]
fn the_next_ca_takes_over_at_once_if_it_is_not_revoked_itself() {
    for both in [false, true] {
        let mut world = World::installed(2);
        let first = world.signer();
        world.advance(HOUR * 2 / 3);
        let next = world.cluster.secret.1.as_ref().unwrap()["next.crt"].clone();
        let next = CaCertificate::all_from_pem(&next).remove(0);
        world.revoke_one(&first);
        if both {
            world.revoke_one(&next);
        }
        world.settle();
        assert_eq!(world.signer() == next, !both);
        assert_eq!((world.is_trusted(&first), world.is_trusted(&next)), (false, !both));
        world.check_calm();
    }
}

#[test]
fn a_next_ca_that_is_revoked_is_replaced_and_an_old_one_is_dropped() {
    let mut world = World::installed(2);
    let first = world.signer();
    world.advance(HOUR * 2 / 3);
    let next = world.cluster.secret.1.as_ref().unwrap()["next.crt"].clone();
    let next = CaCertificate::all_from_pem(&next).remove(0);
    world.revoke_one(&next);
    world.settle();
    assert!(!world.is_trusted(&next) && world.signer() == first);
    world.advance(PUBLISH_DELAY + TICK * 2);
    assert!(world.signer() != first && world.is_trusted(&first), "rotated, and the first is old");
    world.revoke_one(&first);
    world.settle();
    assert!(!world.is_trusted(&first));
    world.check_calm();
}

#[test]
fn neither_memory_nor_a_restart_nor_a_copy_of_the_secret_brings_back_a_revoked_ca() {
    let mut world = World::installed(3);
    let (revoked, copy) = (world.signer(), world.cluster.secret.1.clone());
    // The third replica does not hear of it until later.
    world.replicas[2].cut = true;
    world.revoke_one(&revoked);
    world.settle();
    for damage in [Some(Data::new()), copy.clone(), None, Some(Data::new())] {
        world.cluster.write_secret(damage);
        world.settle();
        assert!(!world.is_trusted(&revoked));
    }
    // The Secret was deleted, and with it the list; who remembers writes it again.
    assert!(world.cluster.is_revoked(&revoked));
    world.replicas[2].cut = false;
    world.check_calm();
    assert!(!world.is_trusted(&revoked), "the third replica brings it back");
    world.replicas = vec![Replica::new(), Replica::new()];
    world.cluster.write_secret(copy);
    world.check_calm();
    assert!(!world.is_trusted(&revoked) && world.signer() != revoked);
}

#[test]
fn a_replica_without_a_secret_neither_signs_with_a_revoked_ca_nor_publishes_it() {
    let mut world = World::installed(1);
    let revoked = world.signer();
    world.replicas[0].machine.see_revoked(Some(&Fingerprint::of(&revoked).to_string()));
    world.cluster.write_secret(None);
    let before = world.replicas[0].serving.as_ref().unwrap().chain().to_vec();
    world.advance(HOUR / 4);
    assert_eq!(world.replicas[0].serving.as_ref().unwrap().chain(), before, "nothing new is signed");
    world.cluster.write_bundles(b"");
    world.settle();
    assert!(!world.is_trusted(&revoked));
    world.restore_secret();
    world.check_calm();
    assert_ne!(world.signer(), revoked);
}

#[test]
fn a_list_that_cannot_be_read_is_reported_and_ignored_part_by_part() {
    let mut world = World::installed(1);
    let revoked = world.signer();
    let colons = Fingerprint::of(&revoked).to_string().to_uppercase();
    let colons = colons.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    let colons = colons.collect::<Vec<_>>().join(":");
    world.replicas[0].machine.take_changes();
    world.cluster.annotate(Some(format!("all, {colons},\n,0123")));
    world.settle();
    let changes = world.replicas[0].machine.take_changes();
    let unreadable = |part: &str| Change::Unreadable(part.to_owned());
    assert_eq!(changes[..2], [unreadable("all"), unreadable("0123")]);
    assert!(!world.is_trusted(&revoked));
    world.check_calm();
    assert_eq!(world.replicas[0].machine.take_changes(), [], "once");
}

#[test]
fn an_admin_is_obeyed_who_revokes_a_ca_that_was_put_there_by_hand() {
    let mut world = World::installed(2);
    let first = world.signer();
    let other = Authority::mint(NAME, world.cluster.now, HOUR).unwrap();
    let planted = other.certificate.clone();
    let data = Contents { signer: other, next: None, retired: vec![] }.to_data();
    world.cluster.write_secret(Some(data));
    world.settle();
    assert!(world.is_trusted(&planted), "made as ours are, so it is taken over");
    world.revoke_one(&planted);
    world.settle();
    assert!(!world.is_trusted(&planted) && world.is_trusted(&first));
    let last = world.replicas.iter().filter_map(|replica| replica.log.last()).collect::<Vec<_>>();
    assert!(
        last.iter().any(|why| matches!(why, Stored::Minted(problem) if problem.contains("revoked"))),
        "{last:?}"
    );
    world.check_calm();
}
