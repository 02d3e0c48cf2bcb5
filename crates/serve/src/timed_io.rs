//! A connection that gives up on a client which is silent for too long.
//!
//! hyper has one timeout for reading a head, which also ends an idle keep-alive connection. The API
//! server keeps idle connections for 90 seconds and does not repeat a POST that meets a closing one,
//! so idle connections must live longer than that, while a head must not take nearly as long.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use super::room::{Progress, Waiting};

/// How long a client may stay silent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silence {
    /// From the first byte of a request (or the handshake) to the end of its head; also how long a
    /// client may refuse to take an answer.
    pub(super) head: Duration,
    /// Between two requests.
    pub(super) idle: Duration,
}

/// The body of a request, which tells whether the client is awaited.
pub(super) struct AwaitedBody {
    pub(super) body: Incoming,
    pub(super) progress: Progress,
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
}

impl<S> TimedIo<S> {
    pub(super) fn new(stream: S, silence: Silence, progress: Progress) -> Self {
        let read_deadline = Box::pin(sleep(silence.head));
        Self {
            stream,
            silence,
            progress,
            read_deadline,
            armed_for: Some(Waiting::First),
            write_deadline: None,
        }
    }

    fn poll_read_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let waiting = self.progress.waiting();
        let patience = match waiting {
            Waiting::First | Waiting::Head => self.silence.head,
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

impl<S: AsyncRead + Unpin> AsyncRead for TimedIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(result) => {
                if buf.filled().len() > before && self.progress.bytes_arrived() {
                    self.armed_for = None;
                }
                Poll::Ready(result)
            }
            Poll::Pending => self.poll_read_deadline(cx).map(Err),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.within_write_deadline(cx, written)
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
        let closed = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.within_write_deadline(cx, closed)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.within_write_deadline(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
