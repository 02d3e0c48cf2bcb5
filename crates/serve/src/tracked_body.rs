//! A request body that records how far it was read.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};

use super::connection_state::ConnectionState;

/// The body of a request. It records in the connection's state whether the client is awaited, and whether the body was
/// read to its end.
pub(crate) struct TrackedBody {
    body: Incoming,
    state: Arc<ConnectionState>,
    has_ended: bool,
}

impl TrackedBody {
    pub(crate) fn new(body: Incoming, state: Arc<ConnectionState>) -> Self {
        Self { has_ended: body.is_end_stream(), body, state }
    }
}

impl Drop for TrackedBody {
    fn drop(&mut self) {
        if !self.has_ended {
            self.state.body_left_unread();
        }
    }
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.state.body_polled(frame.is_ready());
        self.has_ended |= matches!(frame, Poll::Ready(None));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
