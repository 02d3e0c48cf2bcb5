//! Many requests in one write: each has its own answer, in order.

use std::sync::Arc;

use anyhow::{Context, Result, bail};

use super::{AttackCase, Scene, request};
use crate::{review::Review, wire::send_and_read};

const REQUESTS: usize = 100;

pub fn cases() -> Vec<AttackCase> {
    vec![AttackCase::crowd("pipelining", "4 send 100 reviews in one write, over and over", 4, pipelined)]
}

async fn pipelined(scene: Arc<Scene>, _: usize) -> Result<String> {
    let mut reviews = Vec::new();
    let mut bytes = Vec::new();
    for number in 1..=REQUESTS {
        let review = Review::next()?;
        bytes.extend(request(&review.body, number == REQUESTS));
        reviews.push(review);
    }
    let stream = scene.target.connect().await?;
    let ending = send_and_read(stream, &bytes, scene.deadline()).await;
    let answers = ending.answers();
    for (review, answer) in reviews.iter().zip(&answers) {
        review.check(&answer.body).context("pipelined")?;
    }
    match answers.len() {
        REQUESTS if ending.closed => {
            Ok("connections with 100 answers, each to its request and in order".to_owned())
        }
        fewer => bail!("{fewer} answers to {REQUESTS} pipelined requests"),
    }
}
