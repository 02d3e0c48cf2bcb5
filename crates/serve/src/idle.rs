//! The idle connections of a port, so that the one idle longest makes room when places run out.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tokio::sync::oneshot;

type Waiting = BTreeMap<u64, oneshot::Sender<()>>;

/// All idle connections, by the order in which they became idle.
#[derive(Clone, Debug, Default)]
pub(super) struct Idle(Arc<Mutex<(u64, Waiting)>>);

impl Idle {
    /// A connection becomes idle; it is busy again when the place is dropped.
    pub(super) fn enter(&self) -> Place {
        let (sender, wanted) = oneshot::channel();
        let number = self.with(|(next, waiting)| {
            *next += 1;
            waiting.insert(*next, sender);
            *next
        });
        Place { number, wanted, idle: self.clone() }
    }

    /// Asks the connection that has been idle longest to end.
    pub(super) fn end_oldest(&self) {
        let oldest = self.with(|(_, waiting)| waiting.pop_first());
        if let Some((_, sender)) = oldest {
            // One that has just ended by itself needs no message.
            let _ = sender.send(());
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut (u64, Waiting)) -> T) -> T {
        // Nothing in here can panic half-way.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One idle connection.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    wanted: oneshot::Receiver<()>,
    idle: Idle,
}

impl Place {
    /// Ready when another connection needs the place.
    pub(super) fn poll_wanted(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.wanted).poll(cx).map(|_| ())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.idle.with(|(_, waiting)| waiting.remove(&self.number));
    }
}
