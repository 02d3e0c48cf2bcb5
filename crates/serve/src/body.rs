//! Request bodies: a limit for each, a budget for all of them, and a time to arrive in. And answers, which are
//! held in memory for as long as a client takes to read them.

use std::{sync::Arc, time::Duration};

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::BodyExt;
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use super::{
    budget::{Budget, Share, Transfer, permits},
    buffer::Buffer,
    progress::{Direction, Progress},
};
use crate::metrics::Metrics;

/// Bytes of a body, and of an answer, that every connection may hold: nearly all reviews are within it, so that
/// nobody who uses up the budget keeps them waiting. The number of connections bounds it.
const FREE: usize = 16 << 10;

/// Up to this size a body is small, as nearly every other review is.
const SMALL: usize = 256 << 10;

/// How much memory bodies may take, and how long they may take.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Bytes of one body.
    pub one: usize,
    /// Bytes of all bodies and answers in flight that are not within what every connection may hold. A
    /// quarter is kept for small bodies, so that large ones cannot block them; the rest is at least `one`.
    pub all: usize,
    /// For a body to arrive in after its head, not counting waits for the budget. While others wait for the budget, a
    /// client makes room that would not be done within this time at its pace so far, with a body or with an answer.
    pub arrival: Duration,
    /// How long a request waits for its part of the budget.
    pub budget_wait: Duration,
}

/// Why a body was not taken.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum BodyError {
    /// Larger than [`BodyLimits::one`].
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// The budget stayed used up.
    #[error("too many requests in flight; try again")]
    Busy,
    /// The client took too long.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// The client went away or broke the framing.
    #[error("the body ended early")]
    Broken,
}

/// Takes bodies within the limits.
#[derive(Clone, Debug)]
pub(super) struct Bodies {
    limits: BodyLimits,
    small: Arc<Budget>,
    large: Arc<Budget>,
}

/// A body, and its part of the budget until dropped.
#[derive(Debug)]
pub(super) struct Reserved {
    pub(super) bytes: Buffer,
    pub(super) share: Option<Share>,
    /// Who sent it, and will take its answer.
    pub(super) client: Option<Progress>,
}

/// An answer, and its part of the budget until it is written.
struct Answer {
    bytes: Vec<u8>,
    _share: Share,
}

impl AsRef<[u8]> for Answer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Bodies {
    pub(super) fn new(limits: BodyLimits, metrics: &Metrics) -> Self {
        let budget = |bytes| Budget::new(bytes, limits.arrival, metrics.clone());
        let small = limits.all / 4;
        Self { limits, small: budget(small), large: budget(limits.all - small) }
    }

    /// Reads a whole body. Nothing is reserved for a client that sends little. One that sends more gets its place
    /// in the budget for the whole body at once, before that is kept, so that several of them cannot wait for
    /// each other half-way.
    pub(super) async fn read(&self, mut body: Body, client: Option<Progress>) -> Result<Reserved, BodyError> {
        let declared =
            HttpBody::size_hint(&body).exact().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        let capacity = declared.unwrap_or(self.limits.one);
        if capacity > self.limits.one {
            return Err(BodyError::TooLarge(self.limits.one));
        }
        let bytes = Buffer::with_capacity(capacity).map_err(|_| BodyError::Busy)?;
        let mut kept = Reserved { bytes, share: None, client };
        let mut deadline = Instant::now() + self.limits.arrival;
        loop {
            let frame = timeout_at(deadline, body.frame()).await.map_err(|_| BodyError::TooSlow)?;
            let Some(frame) = frame else {
                kept.share.iter_mut().for_each(Share::release);
                return Ok(kept);
            };
            let Ok(piece) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
            if kept.share.is_none() && kept.bytes.len() + piece.len() > FREE {
                let waiting = Instant::now();
                let mut share = self.reserve(capacity).await?;
                deadline += waiting.elapsed();
                let bytes = capacity - kept.bytes.len();
                hold(
                    &mut share,
                    kept.client.as_ref(),
                    Direction::Arriving,
                    bytes.saturating_sub(piece.len()),
                );
                kept.share = Some(share);
            }
            if !kept.bytes.push(&piece) {
                return Err(BodyError::TooLarge(self.limits.one));
            }
        }
    }

    /// Takes an answer to where it is written, in place of its body, which is about to be freed. There is no waiting for
    /// another place in the budget: what would wait is in memory. One that is too large for the part for small bodies gets
    /// its place among the large ones, and one that is too large for that takes all of it: whatever can be asked can
    /// be answered.
    pub(super) fn keep(
        &self,
        bytes: Vec<u8>,
        of_body: Option<Share>,
        client: Option<&Progress>,
    ) -> Result<Bytes, BodyError> {
        if bytes.len() <= FREE {
            return Ok(bytes.into());
        }
        let small = self.limits.all / 4;
        let (budget, most) =
            if bytes.len() <= small { (&self.small, small) } else { (&self.large, self.limits.all - small) };
        let permits = permits(bytes.len().min(most)).ok_or(BodyError::Busy)?;
        let in_its_place = of_body.and_then(|mut share| share.shrink(permits).then_some(share));
        let mut share = in_its_place.or_else(|| budget.try_acquire(permits)).ok_or(BodyError::Busy)?;
        hold(&mut share, client, Direction::Leaving, bytes.len());
        Ok(Bytes::from_owner(Answer { bytes, _share: share }))
    }

    /// Waits for the place of a body.
    async fn reserve(&self, bytes: usize) -> Result<Share, BodyError> {
        let budget = if bytes > SMALL.min(self.limits.all / 4) { &self.large } else { &self.small };
        let permits = permits(bytes).ok_or(BodyError::Busy)?;
        budget.acquire(permits, self.limits.budget_wait).await.ok_or(BodyError::Busy)
    }
}

fn hold(share: &mut Share, client: Option<&Progress>, direction: Direction, bytes: usize) {
    if let Some(client) = client.cloned() {
        share.hold(Transfer { client, direction, bytes });
    }
}
