//! A log that nobody reads: a container runtime that is stuck, or gone.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Result, ensure};

use super::{AttackCase, Scene, request};
use crate::{
    client::Client,
    program::{Log, Program},
    review::Review,
    wire::send_and_read,
};

const CLIENTS: usize = 8;

/// Reviews on one connection, each of which makes a line of the log.
const REVIEWS: usize = 250;

/// Reviews whose lines are as long as lines can be, 16 KiB: of all clients together more than the program keeps for a
/// reader, however fast the machine is.
const LONG_REVIEWS: usize = 20;

pub fn cases() -> Vec<AttackCase> {
    let case = |log, name, attack| AttackCase {
        log,
        flags: &["--shutdown-delay", "1s"],
        ..AttackCase::crowd(name, attack, CLIENTS, lines)
    };
    vec![
        case(
            Log::Unread,
            "log not read",
            "8 send reviews without a pause, and nobody reads the log; then SIGTERM",
        ),
        case(
            Log::ReaderGone,
            "log reader gone",
            "8 send reviews without a pause, and the log's reader has closed it; then SIGTERM",
        ),
    ]
}

async fn lines(scene: Arc<Scene>, _: usize) -> Result<String> {
    let mut client = Client::connect(&scene.target).await?;
    for _ in 0..REVIEWS {
        client.review(&Review::next()?).await?;
    }
    let review = gomemlimit_adversarial_reviews::answered_at_length();
    let review = |is_last| request(review.as_bytes(), is_last);
    let requests = [review(false).repeat(LONG_REVIEWS - 1), review(true)].concat();
    let ending = send_and_read(scene.target.connect().await?, &requests, scene.deadline()).await;
    let answered = ending.answers().iter().filter(|answer| answer.status == 200).count();
    ensure!(answered == LONG_REVIEWS, ending.outcome());
    Ok(format!("times {} reviews answered", REVIEWS + LONG_REVIEWS))
}

/// Whether the program is still what it was, counts what is lost, and ends; afterwards it has.
pub async fn judge(program: &mut Program, outcomes: &mut BTreeMap<String, u64>) -> Result<()> {
    program.probe().await?;
    let dropped = program.dropped_lines().await?;
    ensure!(dropped > 0, "no log line was counted as dropped");
    outcomes.insert("log lines dropped".to_owned(), dropped);
    let took = program.terminate().await?;
    outcomes.insert(format!("ended {:.0} s after SIGTERM", took.as_secs_f64()), 1);
    Ok(())
}
