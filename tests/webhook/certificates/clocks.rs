//! Clocks that jump: that of one replica, or all of them with the API server's.

use std::time::Duration;

use gomemlimit::certs::CaCertificate;
use proptest::prelude::*;
use rstest::rstest;

use super::{
    events::{Event, event},
    fixture::{Fixture, HOUR, NAME, TICK, accepts},
};

const MINUTE: i64 = 60;
const DAY: i64 = 24 * 60 * MINUTE;
const YEAR: i64 = 365 * DAY;

/// Writes of the Secret that a jump costs at most: the next CA added, rotated and pruned, or a CA created and,
/// by each of three replicas, what it still serves kept trusted; and the same once the clock is right again.
const MAX_WRITES: usize = 8;

fn jumps() -> impl Strategy<Value = i64> {
    prop_oneof![-10 * MINUTE..10 * MINUTE, -3 * DAY..3 * DAY, -20 * YEAR..20 * YEAR]
}

impl Fixture {
    fn writes(&self) -> usize {
        self.cluster.backups.len()
    }

    /// Everybody trusts what this replica serves, at the API server's time.
    fn is_accepted(&self, who: usize) -> bool {
        let serving = self.replicas[who].serving.as_ref().unwrap();
        let live = self.cluster.configuration.1.as_ref().unwrap();
        live.iter().all(|entry| accepts(&entry.bundle, NAME, serving, self.cluster.now))
    }

    /// Nobody has a reason to write anything while the clocks stay as they are, but for one rotation.
    fn check_peace(&mut self, why: &str) {
        self.settle();
        self.advance(TICK * 5);
        let before = self.writes();
        self.advance(TICK * 5);
        assert!(self.writes() - before <= 3, "{why}: {} writes", self.writes() - before);
    }
}

#[rstest]
fn one_clock_jumps_and_comes_back(
    #[values(-20 * YEAR, -DAY, -50 * MINUTE, -5 * MINUTE, 5 * MINUTE, 50 * MINUTE, 3 * 60 * MINUTE, DAY, 20 * YEAR)]
    jump: i64,
    #[values(false, true)] restarted: bool,
) {
    let mut fixture = Fixture::installed(3);
    let before = fixture.writes();
    fixture.replicas[0].skew = jump;
    if restarted {
        fixture.befalls(&Event::Restart(0));
    }
    fixture.check_peace("jumped");
    assert!(fixture.is_accepted(1) && fixture.is_accepted(2), "the others are trusted throughout");
    // Behind by more than a certificate's lifetime it cannot know that what it signs has expired.
    if jump > -10 * MINUTE {
        assert!(fixture.is_accepted(0), "an hour or twenty years ahead, its certificate is valid now");
    }
    fixture.replicas[0].skew = 0;
    fixture.check_peace("back");
    fixture.check_calm();
    assert!(fixture.writes() - before <= MAX_WRITES, "{} writes", fixture.writes() - before);
    assert!((0..3).all(|who| fixture.is_accepted(who)));
}

#[rstest]
fn all_clocks_jump_and_come_back(
    #[values(-20 * YEAR, -DAY, -5 * MINUTE, 5 * MINUTE, 50 * MINUTE, DAY, 20 * YEAR)] jump: i64,
) {
    let mut fixture = Fixture::installed(3);
    let before = fixture.writes();
    for by in [jump, -jump] {
        fixture.befalls(&Event::Jump(by));
        fixture.check_calm();
        fixture.check_peace("jumped");
    }
    assert!(fixture.writes() - before <= MAX_WRITES, "{} writes", fixture.writes() - before);
    assert!((0..3).all(|who| fixture.is_accepted(who)));
}

#[test]
fn a_clock_that_is_set_back_finds_every_certificate_valid_and_changes_nothing() {
    let mut fixture = Fixture::installed(3);
    let before = (fixture.cluster.version, fixture.replicas[0].serving.as_ref().unwrap().chain().to_vec());
    fixture.befalls(&Event::Jump(-20 * YEAR));
    assert_eq!(
        before,
        (fixture.cluster.version, fixture.replicas[0].serving.as_ref().unwrap().chain().to_vec())
    );
}

#[test]
fn a_replica_without_the_time_does_not_take_the_ca_from_the_others() {
    let mut fixture = Fixture::installed(2);
    fixture.advance(HOUR / 2);
    let ca = fixture.ca_certificate();
    // A node that starts in 1970, until its clock is set.
    let now = fixture.cluster.now.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
    fixture.replicas[0].skew = -i64::try_from(now.as_secs()).unwrap();
    fixture.befalls(&Event::Restart(0));
    fixture.check_peace("in 1970");
    assert_eq!(fixture.ca_certificate(), ca);
    fixture.replicas[0].skew = 0;
    fixture.check_calm();
}

/// Nobody rotates in time: two clocks are behind, and the third replica is stopped until the CA has expired. Between its
/// new CA and the bundle with it nothing that anybody could serve is trusted.
#[test]
fn a_ca_that_expired_is_replaced_although_nobody_rotated_it() {
    let mut fixture = Fixture::installed(3);
    for event in [
        Event::Skew(2, -215_846_968),
        Event::Advance(6953),
        Event::Skew(1, -40_182_251),
        Event::Away(0, true, 2131),
        Event::One(0, 2),
        Event::One(2, 1),
        Event::One(0, 1),
    ] {
        fixture.befalls(&event);
    }
    fixture.recover();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    /// The law of main.rs, with clocks of replicas that are behind and with jumps of all clocks among its events.
    #[test]
    fn nothing_untrusted_is_served_whatever_clocks_are_behind(
        events in prop::collection::vec(prop_oneof![
            4 => event(),
            1 => (0..3_usize, -20 * YEAR..0).prop_map(|(who, skew)| Event::Skew(who, skew)),
            1 => jumps().prop_map(Event::Jump),
        ], 1..40),
    ) {
        let mut fixture = Fixture::installed(3);
        for event in &events {
            fixture.befalls(event);
        }
        fixture.recover();
    }

    /// A clock that is ahead of a CA's end takes that CA from the others, until they have seen that it did.
    #[test]
    fn replicas_settle_whatever_clocks_are_ahead(
        skews in prop::collection::vec((0..3_usize, jumps(), any::<bool>(), 0..4000_u64), 1..12),
    ) {
        let mut fixture = Fixture::installed(3);
        for (who, skew, restarted, then) in skews {
            let before = fixture.writes();
            fixture.replicas[who].skew = skew;
            if restarted {
                fixture.befalls(&Event::Restart(who));
            }
            fixture.settle();
            fixture.check("after a jump");
            prop_assert!(fixture.writes() - before <= MAX_WRITES, "{} writes", fixture.writes() - before);
            fixture.advance(Duration::from_secs(then));
        }
        fixture.recover();
    }
}

impl Fixture {
    /// The clocks are right again: everything is as it should be, and stays so through rotations.
    fn recover(&mut self) {
        for replica in &mut self.replicas {
            replica.skew = 0;
        }
        self.restore_secret();
        self.check_calm();
        self.check_peace("the clocks are right");
        self.advance(HOUR);
        self.check_calm();
        assert!((0..3).all(|who| self.is_accepted(who)));
        // What a clock that was ahead made lasts longer, but there is an end to how much of it.
        let secret = self.cluster.secret.1.as_ref().unwrap();
        assert!(CaCertificate::all_from_pem(&secret["bundle.crt"]).len() <= 18);
    }
}
