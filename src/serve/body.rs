//! Request bodies: a limit for each, a budget for all of them, and a time to arrive in.

use std::{sync::Arc, time::Duration};

use axum::body::{Body, HttpBody};
use http_body_util::BodyExt;
use thiserror::Error;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::buffer::Buffer;
use crate::metrics::Metrics;

/// The budget counts in these, so that it fits a semaphore.
const BYTES_PER_PERMIT: usize = 1 << 10;

/// How much memory bodies may take, and how long they may take.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Bytes of one body.
    pub one: usize,
    /// Bytes of all bodies in flight; at least `one`.
    pub all: usize,
    /// From the head to the last byte of the body.
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
    budget: Arc<Semaphore>,
    metrics: Metrics,
}

/// A body, and its part of the budget until dropped.
#[derive(Debug)]
pub(super) struct Reserved {
    pub(super) bytes: Buffer,
    _share: Share,
}

#[derive(Debug)]
struct Share {
    permit: OwnedSemaphorePermit,
    metrics: Metrics,
}

impl Share {
    fn bytes(permit: &OwnedSemaphorePermit) -> i64 {
        i64::try_from(permit.num_permits() * BYTES_PER_PERMIT).unwrap_or(i64::MAX)
    }

    fn new(permit: OwnedSemaphorePermit, metrics: Metrics) -> Self {
        metrics.bodies.inc_by(Self::bytes(&permit));
        Self { permit, metrics }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.metrics.bodies.dec_by(Self::bytes(&self.permit));
    }
}

impl Bodies {
    pub(super) fn new(limits: BodyLimits, metrics: Metrics) -> Self {
        let budget = Arc::new(Semaphore::new(limits.all.max(limits.one).div_ceil(BYTES_PER_PERMIT)));
        Self { limits, budget, metrics }
    }

    /// Reads a whole body. Its length is reserved from the budget before the first byte is kept; a
    /// body of unknown length counts as the largest one.
    pub(super) async fn read(&self, body: Body) -> Result<Reserved, BodyError> {
        let declared =
            HttpBody::size_hint(&body).exact().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if declared.is_some_and(|length| length > self.limits.one) {
            // Taken off the wire, so that the client gets to read the answer, but not kept.
            let _ = timeout(self.limits.arrival, discard(body)).await;
            return Err(BodyError::TooLarge(self.limits.one));
        }
        let share = self.reserve(declared.unwrap_or(self.limits.one)).await?;
        let read = self.collect(body, declared.unwrap_or(self.limits.one));
        let bytes = timeout(self.limits.arrival, read).await.map_err(|_| BodyError::TooSlow)??;
        Ok(Reserved { bytes, _share: share })
    }

    async fn reserve(&self, bytes: usize) -> Result<Share, BodyError> {
        let permits = u32::try_from(bytes.div_ceil(BYTES_PER_PERMIT)).map_err(|_| BodyError::Busy)?;
        let wait = timeout(self.limits.budget_wait, self.budget.clone().acquire_many_owned(permits));
        let permit = wait.await.map_err(|_| BodyError::Busy)?.map_err(|_| BodyError::Busy)?;
        Ok(Share::new(permit, self.metrics.clone()))
    }

    /// Keeps a body of at most `capacity` bytes, which is within the limit of one body.
    async fn collect(&self, mut body: Body, capacity: usize) -> Result<Buffer, BodyError> {
        let mut bytes = Buffer::with_capacity(capacity).map_err(|_| BodyError::Busy)?;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| BodyError::Broken)?;
            let Ok(piece) = frame.into_data() else { continue };
            if !bytes.push(&piece) {
                discard(body).await;
                return Err(BodyError::TooLarge(self.limits.one));
            }
        }
        Ok(bytes)
    }
}

async fn discard(mut body: Body) {
    while let Some(Ok(_)) = body.frame().await {}
}
