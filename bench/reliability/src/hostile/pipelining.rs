//! Many requests in one write: each has its own answer, in order.

use std::sync::Arc;

use super::{AttackCase, HEAD, Scene, crowd};
use crate::{review::Review, wire::send_and_read};

const REQUESTS: usize = 100;

pub fn cases() -> Vec<AttackCase> {
    vec![AttackCase::new("pipelining", "4 send 100 reviews in one write, over and over", |scene| {
        Box::pin(async move { crowd(&scene, 4, |scene, _| pipelined(scene)).await })
    })]
}

async fn pipelined(scene: Arc<Scene>) -> Result<String, String> {
    let mut reviews = Vec::new();
    let mut bytes = Vec::new();
    for number in 1..=REQUESTS {
        let review = Review::next().map_err(|error| error.to_string())?;
        let last = if number == REQUESTS { "Connection: close\r\n" } else { "" };
        let head = format!("{HEAD}{last}Content-Length: {}\r\n\r\n", review.body.len());
        bytes.extend([head.as_bytes(), &review.body].concat());
        reviews.push(review);
    }
    let stream = scene.target.connect().await.map_err(|error| format!("{error:#}"))?;
    let ending = send_and_read(stream, &bytes, scene.patience()).await;
    let answers = ending.answers();
    for (review, answer) in reviews.iter().zip(&answers) {
        review.check(&answer.body).map_err(|error| format!("pipelined: {error:#}"))?;
    }
    match answers.len() {
        REQUESTS if ending.closed => {
            Ok("connections with 100 answers, each to its request and in order".to_owned())
        }
        fewer => Err(format!("{fewer} answers to {REQUESTS} pipelined requests")),
    }
}
