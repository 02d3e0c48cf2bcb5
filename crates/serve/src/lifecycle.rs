//! SIGTERM and SIGINT as messages.

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

/// A signal that ends the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM, from kubelet or a service manager.
    Terminate,
    /// SIGINT, from a terminal.
    Interrupt,
}

/// Starts to listen for signals; the task ends with the runtime.
///
/// # Errors
/// If the system does not accept a handler.
pub fn signals() -> std::io::Result<mpsc::Receiver<Signal>> {
    let (sender, receiver) = mpsc::channel(2);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    #[expect(clippy::disallowed_methods, reason = "must outlive every wait for other tasks")]
    tokio::spawn(async move {
        loop {
            let signal = tokio::select! {
                _ = terminate.recv() => Signal::Terminate,
                _ = interrupt.recv() => Signal::Interrupt,
            };
            if sender.send(signal).await.is_err() {
                break;
            }
        }
    });
    Ok(receiver)
}
