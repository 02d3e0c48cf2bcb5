//! A connection that gives up on a client which is silent for too long.
//!
//! hyper has one timeout for reading a head, which also ends an idle keep-alive connection. The API
//! server keeps idle connections for 90 seconds and does not repeat a POST that meets a closing one,
//! so idle connections must live longer than that, while a head must not take nearly as long.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use super::progress::{Progress, Waiting};

/// Bytes of one read of what nobody keeps, and how many reads follow each other before others have their turn.
const SCRATCH_BYTES: usize = 4 << 10;
const MAX_READS_AT_ONCE: usize = 16;

/// How long a client may stay silent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silence {
    /// From the first byte of a request to the end of its head; also how long a client may refuse to take an answer, and
    /// how long the rest of a request is taken that was refused.
    pub(super) head: Duration,
    /// Between two requests, and before the first: Go's transport dials connections for a burst and pools those that it
    /// did not need (`dialConnFor` in net/http/transport.go).
    pub(super) idle: Duration,
}

/// The body of a request, which tells whether the client is awaited, and whether all of it was read.
pub(super) struct AwaitedBody {
    body: Incoming,
    progress: Progress,
    has_ended: bool,
}

impl AwaitedBody {
    pub(super) fn new(body: Incoming, progress: Progress) -> Self {
        Self { has_ended: body.is_end_stream(), body, progress }
    }
}

impl Drop for AwaitedBody {
    fn drop(&mut self) {
        if !self.has_ended {
            self.progress.body_left_unread();
        }
    }
}

impl HttpBody for AwaitedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.progress.body_asked_for(frame.is_ready());
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

/// A stream with deadlines.
pub(super) struct TimedIo<S> {
    stream: S,
    silence: Silence,
    progress: Progress,
    read_deadline: Pin<Box<Sleep>>,
    /// What the read deadline was set for.
    armed_for: Option<Waiting>,
    write_deadline: Option<Pin<Box<Sleep>>>,
    /// Set once our side is closed and the client's is read without being kept.
    linger_deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> TimedIo<S> {
    pub(super) fn new(stream: S, silence: Silence, progress: Progress) -> Self {
        let read_deadline = Box::pin(sleep(silence.idle));
        Self {
            stream,
            silence,
            progress,
            read_deadline,
            armed_for: None,
            write_deadline: None,
            linger_deadline: None,
        }
    }

    fn poll_read_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let waiting = self.progress.waiting();
        let patience = match waiting {
            Waiting::Handshake | Waiting::Head => self.silence.head,
            Waiting::Idle => self.silence.idle,
            Waiting::Body | Waiting::Answer | Waiting::Taking => {
                self.armed_for = None;
                return Poll::Pending;
            }
        };
        if self.armed_for != Some(waiting) {
            self.armed_for = Some(waiting);
            self.read_deadline.as_mut().reset(Instant::now() + patience);
        }
        ready!(self.read_deadline.as_mut().poll(cx));
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    /// Passes on what a write of bytes came to.
    fn note_written(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = written {
            self.progress.bytes_left(bytes);
        }
        self.within_write_deadline(cx, written)
    }

    /// Passes on what a write came to, with a deadline on being stuck.
    fn within_write_deadline<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.write_deadline = None;
            return written;
        }
        let patience = self.silence.head;
        ready!(self.write_deadline.get_or_insert_with(|| Box::pin(sleep(patience))).as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> TimedIo<S> {
    /// After an answer to a request that was not read to its end: takes what the client still sends, without keeping
    /// it, until it closes or time is up. Else its kernel would be told of a reset and might throw the answer away
    /// (RFC 9112, section 9.6).
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.linger_deadline.is_none() {
            if !self.progress.is_request_unread() {
                return Poll::Ready(());
            }
            // So that it makes room before those who are idle.
            self.progress.body_asked_for(false);
        }
        let patience = self.silence.head;
        let deadline = self.linger_deadline.get_or_insert_with(|| Box::pin(sleep(patience)));
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

impl<S: AsyncRead + Unpin> AsyncRead for TimedIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(result) => {
                let bytes = buf.filled().len() - before;
                if bytes > 0 && self.progress.bytes_arrived(bytes) {
                    self.armed_for = None;
                }
                Poll::Ready(result)
            }
            Poll::Pending => self.poll_read_deadline(cx).map(Err),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TimedIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note_written(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // Where hyper has looked for the client's end while the answer was made, it does not read again by itself when
        // the answer is out: without this, nobody would be waiting for the next request.
        if flushed.is_ready()
            && self.progress.all_is_written()
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
