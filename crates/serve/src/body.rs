//! Request bodies: a maximum size for each, a budget for all, and a timeout. Responses count too, since they stay in memory
//! until the client has read them.

use std::{sync::Arc, time::Duration};

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::BodyExt;
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use super::{
    budget::{Budget, BudgetPermit, Transfer, permits},
    buffer::Buffer,
    connection_state::{ConnectionState, Direction},
};
use crate::metrics::Metrics;

/// Bytes of a body, and of a response, that every connection may hold outside of the budget. Nearly all reviews are
/// smaller, so no client that uses up the budget delays them. The number of connections bounds it.
const FREE: usize = 16 << 10;

/// Maximum size of a small body, in bytes; nearly every other review is one.
const SMALL: usize = 256 << 10;

/// Limits of request bodies and responses.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Maximum size of one request body, in bytes.
    pub one: usize,
    /// Maximum size of all bodies and responses in flight, in bytes, without the 16 KiB that every connection may hold. A
    /// quarter is for small bodies only, so that large ones cannot block them; the rest must be at least `one`.
    pub all: usize,
    /// Maximum time from the head to the end of a body, without waits for the budget. While others wait for the budget,
    /// a client is evicted if its transfer, of a body or of a response, would take longer at its rate so far.
    pub arrival: Duration,
    /// Maximum time that a request waits for its part of the budget.
    pub budget_wait: Duration,
}

/// Why a body was rejected.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// Larger than [`BodyLimits::one`].
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// No budget within [`BodyLimits::budget_wait`].
    #[error("too many requests in flight; try again")]
    Busy,
    /// Slower than [`BodyLimits::arrival`].
    #[error("the body did not arrive in time")]
    TooSlow,
    /// The client went away or broke the framing.
    #[error("the body ended early")]
    Broken,
}

/// The budget that bodies and responses are charged to.
#[derive(Clone, Debug)]
pub(crate) struct BodyBudget {
    limits: BodyLimits,
    small: Arc<Budget>,
    large: Arc<Budget>,
}

/// A body in memory, and its part of the budget until dropped.
#[derive(Debug)]
pub(crate) struct BufferedBody {
    pub(crate) bytes: Buffer,
    pub(crate) permit: Option<BudgetPermit>,
    /// The connection that it came from, and its response goes to.
    pub(crate) client: Option<Arc<ConnectionState>>,
}

/// A response, and its part of the budget until it is written.
struct ChargedResponse {
    bytes: Vec<u8>,
    _permit: BudgetPermit,
}

impl AsRef<[u8]> for ChargedResponse {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl BodyBudget {
    pub(crate) fn new(limits: BodyLimits, metrics: &Metrics) -> Self {
        let budget = |bytes| Budget::new(bytes, limits.arrival, metrics.clone());
        let small = limits.all / 4;
        Self { limits, small: budget(small), large: budget(limits.all - small) }
    }

    /// Reads a whole body. A client that sends little is charged nothing. One that sends more is charged for the whole body
    /// at once, before the body is kept, so that several of them cannot wait for each other half-way.
    ///
    /// # Errors
    /// If the body is too large, too slow, broken, or there is no budget for it in time.
    pub(crate) async fn read(
        &self,
        mut body: Body,
        client: Option<Arc<ConnectionState>>,
    ) -> Result<BufferedBody, BodyError> {
        let declared =
            HttpBody::size_hint(&body).exact().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        let capacity = declared.unwrap_or(self.limits.one);
        if capacity > self.limits.one {
            return Err(BodyError::TooLarge(self.limits.one));
        }
        let bytes = Buffer::with_capacity(capacity).map_err(|_| BodyError::Busy)?;
        let mut buffered = BufferedBody { bytes, permit: None, client };
        let mut deadline = Instant::now() + self.limits.arrival;
        loop {
            let frame = timeout_at(deadline, body.frame()).await.map_err(|_| BodyError::TooSlow)?;
            let Some(frame) = frame else {
                buffered.permit.iter_mut().for_each(BudgetPermit::release);
                return Ok(buffered);
            };
            let Ok(piece) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
            if buffered.permit.is_none() && buffered.bytes.len() + piece.len() > FREE {
                let waiting = Instant::now();
                let mut permit = self.reserve(capacity).await?;
                deadline += waiting.elapsed();
                let bytes = capacity - buffered.bytes.len();
                hold(
                    &mut permit,
                    buffered.client.as_ref(),
                    Direction::Read,
                    bytes.saturating_sub(piece.len()),
                );
                buffered.permit = Some(permit);
            }
            if !buffered.bytes.push(&piece) {
                return Err(BodyError::TooLarge(self.limits.one));
            }
        }
    }

    /// Charges a response in place of its body, which is about to be freed. It does not wait for the budget, since what
    /// would wait is in memory. A response that is too large for the part for small bodies is charged to the other part,
    /// and one that is larger than that takes all of it: every review that is accepted can be answered.
    ///
    /// # Errors
    /// [`BodyError::Busy`] if there is no budget for it now.
    pub(crate) fn charge_response(
        &self,
        bytes: Vec<u8>,
        of_body: Option<BudgetPermit>,
        client: Option<&Arc<ConnectionState>>,
    ) -> Result<Bytes, BodyError> {
        if bytes.len() <= FREE {
            return Ok(bytes.into());
        }
        let small = self.limits.all / 4;
        let (budget, max) =
            if bytes.len() <= small { (&self.small, small) } else { (&self.large, self.limits.all - small) };
        let permits = permits(bytes.len().min(max)).ok_or(BodyError::Busy)?;
        let of_body_shrunk = of_body.and_then(|mut permit| permit.shrink(permits).then_some(permit));
        let mut permit = of_body_shrunk.or_else(|| budget.try_acquire(permits)).ok_or(BodyError::Busy)?;
        hold(&mut permit, client, Direction::Write, bytes.len());
        Ok(Bytes::from_owner(ChargedResponse { bytes, _permit: permit }))
    }

    /// Waits for the permit of a body.
    async fn reserve(&self, bytes: usize) -> Result<BudgetPermit, BodyError> {
        let budget = if bytes > SMALL.min(self.limits.all / 4) { &self.large } else { &self.small };
        let permits = permits(bytes).ok_or(BodyError::Busy)?;
        budget.acquire(permits, self.limits.budget_wait).await.ok_or(BodyError::Busy)
    }
}

fn hold(
    permit: &mut BudgetPermit,
    client: Option<&Arc<ConnectionState>>,
    direction: Direction,
    bytes: usize,
) {
    if let Some(client) = client.cloned() {
        permit.hold(Transfer { client, direction, bytes });
    }
}
