//! A client as the API server is one: HTTP/1.1 over TLS on a connection that it keeps.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, Result, ensure};
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{review::Review, trust::NAME};

/// Where the program is, and whom its clients trust.
#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    pub tls: Arc<ClientConfig>,
}

impl Target {
    pub async fn tcp(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    pub async fn connect(&self) -> Result<TlsStream<TcpStream>> {
        self.handshake(self.tcp().await.context("connect")?).await
    }

    /// With so small a window that the kernel holds little of what is not read.
    pub async fn connect_narrow(&self) -> Result<TlsStream<TcpStream>> {
        self.handshake(narrow(self.address).await.context("connect")?).await
    }

    async fn handshake(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(NAME)?;
        TlsConnector::from(self.tls.clone()).connect(name, stream).await.context("TLS handshake")
    }
}

/// A connection with so small a window that the kernel holds little of what is not read.
pub async fn narrow(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    socket.connect(address).await
}

/// A connection for one request after the other.
pub struct Client {
    sender: SendRequest<Full<Bytes>>,
    /// Reads and writes for as long as the client lives.
    _driver: JoinSet<()>,
}

impl Client {
    pub async fn connect(target: &Target) -> Result<Self> {
        let stream = target.connect().await?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // The request that meets the error reports it.
            let _ = connection.await;
        });
        Ok(Self { sender, _driver: driver })
    }

    /// Whether the other side has not closed the connection as far as is known.
    pub async fn is_open(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// Sends a review and checks its answer.
    pub async fn review(&mut self, review: &Review) -> Result<()> {
        let request = Request::post("/mutate?timeout=3s")
            .header("Host", NAME)
            .header("Content-Type", "application/json")
            .body(Full::new(review.body.clone()))?;
        let response = self.sender.send_request(request).await.context("the connection broke")?;
        let status = response.status();
        ensure!(status == StatusCode::OK, "answered {status}");
        let body = response.into_body().collect().await.context("the answer ended early")?;
        review.check(&body.to_bytes())
    }
}
