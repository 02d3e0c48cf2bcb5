//! A real review under a uid of its own for each request, and the one right answer to it.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::body::Bytes;
use serde_json::Value;

const REVIEW: &str = include_str!("../../../crates/core/tests/golden/reviews/001-create-limit-1gi.json");
const ANSWER: &str = include_str!("../../../crates/core/tests/golden/answers/001-create-limit-1gi.json");

static NEXT: AtomicU64 = AtomicU64::new(1);

/// What is sent, and what its answer has to say.
pub struct Review {
    uid: String,
    pub body: Bytes,
}

impl Review {
    /// With a uid that no other review has.
    pub fn next() -> Result<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self::with_uid(&format!("00000000-0000-4000-8000-{number:012x}"))
    }

    pub fn with_uid(uid: &str) -> Result<Self> {
        let before = REVIEW.split_once(r#""uid":""#).context("the review has no uid")?;
        let (_, after) = before.1.split_once('"').context("the uid has no end")?;
        let body = [before.0, r#""uid":""#, uid, "\"", after].concat();
        Ok(Self { uid: uid.to_owned(), body: body.into() })
    }

    /// Makes it this number of bytes long, by blanks behind it.
    pub fn pad(&mut self, size: usize) {
        let mut body = self.body.to_vec();
        body.resize(size.max(body.len()), b' ');
        self.body = body.into();
    }

    /// Whether this is the answer to this very review, with the patch that its pod gets.
    pub fn check(&self, answer: &[u8]) -> Result<()> {
        let answer: Value = serde_json::from_slice(answer).context("the answer is not JSON")?;
        let response = answer.get("response").context("there is no response")?;
        let text = |field: &str| response.get(field).and_then(Value::as_str).unwrap_or_default();
        ensure!(text("uid") == self.uid, "the answer is to another request");
        let patch: Value =
            serde_json::from_slice(&STANDARD.decode(text("patch"))?).context("there is no patch")?;
        ensure!(operations(patch) == expected()?, "the patch is not the expected one");
        Ok(())
    }
}

fn expected() -> Result<Value> {
    let answer: Value = serde_json::from_str(ANSWER)?;
    Ok(answer.get("patch").cloned().unwrap_or_default())
}

/// The golden shows the status annotation as JSON and not as the text that it is.
fn operations(mut patch: Value) -> Value {
    for operation in patch.as_array_mut().into_iter().flatten() {
        if let Some(Value::String(text)) = operation.get("value") {
            let parsed = serde_json::from_str(text).unwrap_or_default();
            if let Some(value) = operation.get_mut("value") {
                *value = parsed;
            }
        }
    }
    patch
}
