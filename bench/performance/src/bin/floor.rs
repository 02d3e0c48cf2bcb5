//! The floor: hyper, tokio and rustls with ring, as the webhook is built, that read a review and answer a constant.
//! No parsing, no decision, no limits, no metrics.
#![allow(clippy::print_stderr, clippy::disallowed_methods, reason = "a program for a benchmark")]

use std::{convert::Infallible, path::PathBuf, sync::Arc};

use anyhow::Context;
use clap::Parser;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Answers every request with the content of a file.
#[derive(Parser)]
struct Floor {
    #[arg(long)]
    listen: std::net::SocketAddr,
    #[arg(long)]
    tls_cert: PathBuf,
    #[arg(long)]
    tls_key: PathBuf,
    /// What is answered
    #[arg(long)]
    answer: PathBuf,
    /// Put the uid of each request into the answer, which the API server insists on
    #[arg(long)]
    uid: bool,
}

#[tokio::main(flavor = "multi_thread")]
async fn main() -> anyhow::Result<()> {
    let floor = Floor::parse();
    let answer = Bytes::from(std::fs::read(&floor.answer).context("answer")?);
    let chain = CertificateDer::pem_file_iter(&floor.tls_cert)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(&floor.tls_key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let uid = floor.uid;
    let listener = TcpListener::bind(floor.listen).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let (acceptor, answer) = (acceptor.clone(), answer.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(|request: Request<Incoming>| {
                let answer = answer.clone();
                async move { Ok::<_, Infallible>(constant(request, answer, uid).await) }
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn constant(request: Request<Incoming>, mut answer: Bytes, uid: bool) -> Response<Full<Bytes>> {
    // Read to its end, as whoever looks at it has to.
    let mut body = request.into_body();
    let mut head = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let (true, Some(data)) = (uid && head.is_empty(), frame.data_ref()) {
            head.extend_from_slice(data);
        }
    }
    if let Some((from, to)) = uid_at(&head).zip(uid_at(&answer)) {
        let mut own = answer.to_vec();
        if let (Some(from), Some(to)) = (head.get(from..from + UID), own.get_mut(to..to + UID)) {
            to.copy_from_slice(from);
        }
        answer = own.into();
    }
    let mut response = Response::new(Full::new(answer));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Characters of a uid.
const UID: usize = 36;

/// Where the first uid is, which is that of the request.
fn uid_at(text: &[u8]) -> Option<usize> {
    const BEFORE: &[u8] = br#""uid":""#;
    Some(text.windows(BEFORE.len()).position(|window| window == BEFORE)? + BEFORE.len())
}
