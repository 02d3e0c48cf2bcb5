//! Bytes as they are on the wire, for clients that no library would let misbehave.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, interval, timeout},
};

/// What a connection came to.
pub struct Ending {
    pub received: Vec<u8>,
    /// Else it was still open when timeout ran out.
    pub closed: bool,
    pub after: Duration,
}

/// One answer of a server that speaks HTTP.
pub struct Response {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Ending {
    /// The answers among the bytes received, without interim ones such as 100.
    pub fn answers(&self) -> Vec<Response> {
        let (mut rest, mut answers) = (&*self.received, Vec::new());
        while let Some(end) = rest.windows(4).position(|window| window == b"\r\n\r\n") {
            let (head, behind) = rest.split_at(end + 4);
            let head = String::from_utf8_lossy(head).to_ascii_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            let (body, next) = behind.split_at(length.unwrap_or(0).min(behind.len()));
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
            if status / 100 != 1 {
                answers.push(Response { status, body: body.to_vec() });
            }
            rest = next;
        }
        answers
    }

    /// In words: the statuses of its answers, and whether and when it was closed.
    pub fn outcome(&self) -> String {
        let statuses: Vec<String> = self.answers().iter().map(|answer| answer.status.to_string()).collect();
        let answered =
            if statuses.is_empty() { String::new() } else { format!("answered {}, ", statuses.join(", ")) };
        answered + &if self.closed { closed(self.after) } else { "left open".to_owned() }
    }
}

/// The server has to close this connection in the end.
pub fn must_close(ending: &Ending) -> Result<String> {
    ensure!(ending.closed, "not closed");
    Ok("closed".to_owned())
}

/// "closed after 5 s", and without a time where it was at once.
pub fn closed(after: Duration) -> String {
    match after.as_secs_f64().round() {
        0.0 => "closed".to_owned(),
        seconds => format!("closed after {seconds:.0} s"),
    }
}

/// Reads until the other side closes. An abrupt end is an end.
pub async fn read_to_end(stream: &mut (impl AsyncRead + Unpin), limit: Duration) -> Ending {
    let started = Instant::now();
    let mut received = Vec::new();
    let closed = timeout(limit, stream.read_to_end(&mut received)).await.is_ok();
    Ending { received, closed, after: started.elapsed() }
}

/// Sends all of it while reading what comes back, then reads on. A refusal may come half-way.
pub async fn send_and_read(stream: impl AsyncRead + AsyncWrite, bytes: &[u8], timeout: Duration) -> Ending {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let sending = async {
        // The other side may have had enough.
        let _ = writer.write_all(bytes).await;
        let _ = writer.flush().await;
    };
    tokio::join!(read_to_end(&mut reader, timeout), sending).0
}

/// Sends a byte every tenth of a second until the other side has had enough.
pub async fn trickle(
    stream: impl AsyncRead + AsyncWrite,
    bytes: impl Iterator<Item = u8>,
    timeout: Duration,
) -> Ending {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let sending = async {
        let mut ticks = interval(Duration::from_millis(100));
        for byte in bytes {
            ticks.tick().await;
            if writer.write_all(&[byte]).await.is_err() || writer.flush().await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ending = read_to_end(&mut reader, timeout) => ending,
        () = sending => Ending { received: Vec::new(), closed: false, after: timeout },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let received = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}\
                         HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        let ending = Ending { received: received.to_vec(), closed: true, after: Duration::ZERO };
        let answers: Vec<_> =
            ending.answers().iter().map(|answer| (answer.status, answer.body.len())).collect();
        assert_eq!(answers, [(200, 2), (400, 0)]);
        assert_eq!(ending.outcome(), "answered 200, 400, closed");
    }
}
