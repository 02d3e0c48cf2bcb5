//! One request over a stream that is already open, with a bound on the answer.

use anyhow::{Context, anyhow};
use axum::body::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{Request, StatusCode, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

pub(super) struct HttpResponse {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Sends `request` and reads an answer of at most `max_bytes` bytes.
pub(super) async fn http_request(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
    max_bytes: usize,
) -> anyhow::Result<HttpResponse> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let response = async {
        let response = sender.send_request(request).await.context("no answer")?;
        let status = response.status();
        let body = Limited::new(response.into_body(), max_bytes).collect().await;
        let body = body.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
            Some(_) => anyhow!("the answer has more than {} MiB, and the rest was not read", max_bytes >> 20),
            None => anyhow!("the answer could not be read: {error}"),
        })?;
        anyhow::Ok(HttpResponse { status, body: body.to_bytes() })
    };
    let mut response = std::pin::pin!(response);
    tokio::select! {
        answer = &mut response => answer,
        // The connection may end with the last byte of the answer.
        ended = connection => { ended?; response.await }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn an_answer_that_does_not_end_is_not_read_to_its_end() {
        let (client, mut server) = tokio::io::duplex(64 << 10);
        let sent = async {
            server.read_buf(&mut Vec::new()).await.unwrap();
            server.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            while server.write_all(&[b'x'; 8 << 10]).await.is_ok() {}
        };
        let request = Request::get("/debug/pprof/heap").body(Full::default()).unwrap();
        let (answer, ()) = tokio::join!(http_request(client, request, 2 << 20), sent);
        let error = answer.err().unwrap().to_string();
        assert_eq!(error, "the answer has more than 2 MiB, and the rest was not read");
    }
}
