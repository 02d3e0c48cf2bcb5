//! A stream that times out if the client is silent for too long.
//!
//! hyper has one timeout for reading a head, which also ends an idle keep-alive connection. The API
//! server keeps idle connections for 90 seconds and does not repeat a POST that meets a closing one,
//! so idle connections must live longer than that, while a head must not take nearly as long.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use super::connection_state::{ConnectionState, Phase};

/// Size of one read of bytes that are discarded.
const SCRATCH_BYTES: usize = 4 << 10;
/// Maximum of such reads before other tasks have their turn.
const MAX_READS_AT_ONCE: usize = 16;

/// Maximum times that a client may stay silent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// From the first byte of a request to the end of its head. Also for a client to read a response, and for the rest of
    /// a request that was rejected.
    pub(crate) head: Duration,
    /// Between two requests, and before the first: Go's transport dials connections for a burst and pools those that it
    /// did not need (`dialConnFor` in net/http/transport.go).
    pub(crate) idle: Duration,
}

/// A stream with deadlines.
pub(crate) struct TimeoutStream<S> {
    stream: S,
    timeouts: Timeouts,
    state: Arc<ConnectionState>,
    read_deadline: Pin<Box<Sleep>>,
    /// Phase that the read deadline was set for.
    armed_for: Option<Phase>,
    write_deadline: Option<Pin<Box<Sleep>>>,
    /// Set once the server's side is closed and what the client sends is discarded.
    linger_deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> TimeoutStream<S> {
    pub(crate) fn new(stream: S, timeouts: Timeouts, state: Arc<ConnectionState>) -> Self {
        let read_deadline = Box::pin(sleep(timeouts.idle));
        Self {
            stream,
            timeouts,
            state,
            read_deadline,
            armed_for: None,
            write_deadline: None,
            linger_deadline: None,
        }
    }

    fn poll_read_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let phase = self.state.phase();
        let timeout = match phase {
            Phase::Handshake | Phase::ReadingHead => self.timeouts.head,
            Phase::AwaitingFirstRequest | Phase::Idle => self.timeouts.idle,
            Phase::ReadingBody | Phase::Handling | Phase::WritingResponse => {
                self.armed_for = None;
                return Poll::Pending;
            }
        };
        if self.armed_for != Some(phase) {
            self.armed_for = Some(phase);
            self.read_deadline.as_mut().reset(Instant::now() + timeout);
        }
        ready!(self.read_deadline.as_mut().poll(cx));
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    /// Records the result of a write of bytes.
    fn note_written(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = written {
            self.state.wrote(bytes);
        }
        self.within_write_deadline(cx, written)
    }

    /// Adds a deadline to a write that is pending.
    fn within_write_deadline<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.write_deadline = None;
            return written;
        }
        let timeout = self.timeouts.head;
        ready!(self.write_deadline.get_or_insert_with(|| Box::pin(sleep(timeout))).as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> TimeoutStream<S> {
    /// After a response to a request that was not read to its end: discards what the client still sends, until it closes
    /// or the time is up. Else the client's kernel would get a reset and might discard the response (RFC 9112, section
    /// 9.6).
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.linger_deadline.is_none() {
            if !self.state.is_request_unread() {
                return Poll::Ready(());
            }
            // So that it is evicted before those that are idle.
            self.state.body_polled(false);
        }
        let timeout = self.timeouts.head;
        let deadline = self.linger_deadline.get_or_insert_with(|| Box::pin(sleep(timeout)));
        if deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut scratch = [MaybeUninit::uninit(); SCRATCH_BYTES];
        // A client that never stops must not keep the thread.
        for _ in 0..MAX_READS_AT_ONCE {
            let mut unread = ReadBuf::uninit(&mut scratch);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut unread)) {
                Ok(()) if !unread.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimeoutStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(result) => {
                let bytes = buf.filled().len() - before;
                if bytes > 0 && self.state.read(bytes) {
                    self.armed_for = None;
                }
                Poll::Ready(result)
            }
            Poll::Pending => self.poll_read_deadline(cx).map(Err),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TimeoutStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note_written(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // If hyper has polled for the client's end while the response was made, it does not read again by itself after the
        // response: without this, nothing would wait for the next request.
        if flushed.is_ready()
            && self.state.flushed()
            && let Poll::Ready(error) = self.poll_read_deadline(cx)
        {
            return Poll::Ready(Err(error));
        }
        self.within_write_deadline(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger_deadline.is_none() {
            let closed = Pin::new(&mut self.stream).poll_shutdown(cx);
            ready!(self.within_write_deadline(cx, closed))?;
        }
        self.poll_linger(cx).map(Ok)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note_written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
