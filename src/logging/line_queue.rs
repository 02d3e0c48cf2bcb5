//! Lines to a reader that may stall or go away. One thread writes; adding a line never waits.

use std::{
    fmt,
    io::{self, ErrorKind, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Maximum size of the queue, in bytes. As much can be with the thread that writes.
const MAX_WAITING_BYTES: usize = 1 << 20;

/// Maximum time to write the last lines.
const MAX_FLUSH: Duration = Duration::from_secs(1);

/// Pause before the next write to a full pipe that does not block.
const FULL_PAUSE: Duration = Duration::from_millis(50);

/// A bounded queue of lines, and the thread that writes them. Clones are handles on the same queue.
#[derive(Clone)]
pub struct LineQueue(Arc<Shared>);

struct Shared {
    waiting: Mutex<Queued>,
    /// There is something to write, or everything is written.
    changed: Condvar,
    on_drop: Box<dyn Fn(u64) + Send + Sync>,
}

#[derive(Default)]
struct Queued {
    text: Vec<u8>,
    lines: u64,
    /// The thread is writing what was queued before.
    is_writing: bool,
}

impl LineQueue {
    /// Starts the thread that writes to `sink`. `on_drop` is called with the number of lines that did not fit or could
    /// not be written.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(
        sink: impl Write + Send + 'static,
        on_drop: impl Fn(u64) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let queue = Self(Arc::new(Shared {
            waiting: Mutex::default(),
            changed: Condvar::new(),
            on_drop: Box::new(on_drop),
        }));
        let writer = queue.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.write_to(sink))?;
        Ok(queue)
    }

    /// Queues one line, which includes its line end.
    pub fn push(&self, line: &[u8]) {
        let mut waiting = self.lock();
        if waiting.text.len() + line.len() > MAX_WAITING_BYTES {
            drop(waiting);
            self.drop_lines(1);
            return;
        }
        waiting.text.extend_from_slice(line);
        waiting.lines += 1;
        // Else the thread looks by itself after its write.
        let is_idle = !waiting.is_writing;
        drop(waiting);
        if is_idle {
            self.0.changed.notify_all();
        }
    }

    /// Counts dropped lines.
    pub(super) fn drop_lines(&self, lines: u64) {
        (self.0.on_drop)(lines);
    }

    /// Waits until everything is written, for at most a second, before the process ends.
    pub fn flush(&self) {
        self.flush_within(MAX_FLUSH);
    }

    /// `false` if time ran out.
    fn flush_within(&self, within: Duration) -> bool {
        let is_busy = |waiting: &mut Queued| waiting.is_writing || !waiting.text.is_empty();
        let waited = self.0.changed.wait_timeout_while(self.lock(), within, is_busy);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn write_to(&self, mut sink: impl Write) {
        loop {
            let is_idle = |waiting: &mut Queued| waiting.text.is_empty();
            let waiting = self.0.changed.wait_while(self.lock(), is_idle);
            let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
            let (text, lines) = (mem::take(&mut waiting.text), mem::take(&mut waiting.lines));
            waiting.is_writing = true;
            drop(waiting);
            if write_all(&mut sink, &text).is_err() {
                self.drop_lines(lines);
            }
            self.lock().is_writing = false;
            self.0.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queued> {
        // Nothing that holds the lock can panic half-way.
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LineQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineQueue").finish_non_exhaustive()
    }
}

/// As [`Write::write_all`], also to a terminal or pipe that another process has set to not block.
fn write_all(sink: &mut impl Write, mut text: &[u8]) -> io::Result<()> {
    while !text.is_empty() {
        match sink.write(text) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => text = text.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(FULL_PAUSE),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    };

    use super::*;

    /// Takes a write when the test receives it.
    struct Sink(SyncSender<Vec<u8>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(|_| ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const LONG: Duration = Duration::from_secs(30);

    fn queue() -> (LineQueue, Receiver<Vec<u8>>, Arc<AtomicU64>) {
        let (sender, receiver) = sync_channel(0);
        let dropped = Arc::new(AtomicU64::new(0));
        let count = dropped.clone();
        let on_drop = move |lines| {
            count.fetch_add(lines, Ordering::Relaxed);
        };
        (LineQueue::start(Sink(sender), on_drop).unwrap(), receiver, dropped)
    }

    #[test]
    fn lines_without_room_are_dropped_and_counted_and_the_others_are_whole() {
        let (queue, receiver, dropped) = queue();
        // The writer takes it and is stuck with it.
        queue.push(b"first\n");
        while !queue.lock().is_writing {
            thread::yield_now();
        }
        let line = [vec![b'x'; 999], vec![b'\n']].concat();
        for _ in 0..2000 {
            queue.push(&line);
        }
        let kept = MAX_WAITING_BYTES / 1000;
        assert_eq!(dropped.load(Ordering::Relaxed), 2000 - kept as u64);
        assert!(!queue.flush_within(Duration::ZERO), "nobody reads");
        assert_eq!(receiver.recv().unwrap(), b"first\n");
        assert_eq!(receiver.recv().unwrap(), line.repeat(kept));
        assert!(queue.flush_within(LONG));
        queue.push(b"last\n");
        assert_eq!(receiver.recv().unwrap(), b"last\n");
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let (queue, receiver, dropped) = queue();
        drop(receiver);
        for _ in 0..3 {
            queue.push(b"line\n");
        }
        assert!(queue.flush_within(LONG), "nothing is left to wait for");
        assert_eq!(dropped.load(Ordering::Relaxed), 3);
    }

    /// Two bytes at a time, and now and then none.
    struct Reluctant(Arc<Mutex<Vec<u8>>>, bool);

    impl Write for Reluctant {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(ErrorKind::WouldBlock.into());
            }
            let some = &bytes[..bytes.len().min(2)];
            self.0.lock().unwrap().extend_from_slice(some);
            Ok(some.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_would_block_is_written_later() {
        let written = Arc::default();
        let queue = LineQueue::start(Reluctant(Arc::clone(&written), false), |_| panic!("dropped")).unwrap();
        queue.push(b"abc\n");
        assert!(queue.flush_within(LONG));
        assert_eq!(*written.lock().unwrap(), b"abc\n");
    }
}
