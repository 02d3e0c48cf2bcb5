//! Files of the web, as `kubectl -f https://…` reads them (`readHttpWithRetries` in `visitor.go` of cli-runtime), through the
//! clients and proxies on the way to a cluster. Each wait has a deadline, and each file a maximum size.

mod address;
mod error;

use std::time::Duration;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::{Request, Response, StatusCode, Uri, header};
use kube::{Client, Config, client::Body};
use tokio::time::{sleep, timeout};

pub use self::{address::without_password, error::DownloadError};
use self::{
    address::{join, parse, split_userinfo},
    error::MAX_REDIRECTS,
};
use super::{causes::with_causes, proxy::proxy};

/// Number of attempts, as `defaultHttpGetAttempts` of `kubectl`.
const MAX_ATTEMPTS: u32 = 3;

/// How long, and how much.
#[derive(Clone, Copy, Debug)]
pub struct DownloadLimits {
    /// Maximum time to connect. Default 10 s.
    pub connect: Duration,
    /// Maximum time without a byte of the answer. Default 30 s.
    pub silence: Duration,
    /// Maximum time of all attempts. Default 5 minutes.
    pub total: Duration,
    /// Pause before the second attempt; that before the third is twice as long. Default 1 s.
    pub pause: Duration,
    /// Maximum size, unpacked, in bytes.
    pub max_bytes: u64,
}

impl DownloadLimits {
    /// The default times, and this size in bytes.
    #[must_use]
    pub const fn of_size(max_bytes: u64) -> Self {
        Self {
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(30),
            total: Duration::from_mins(5),
            pause: Duration::from_secs(1),
            max_bytes,
        }
    }
}

/// The file at `url`. Needs a provider of cryptography for the process.
///
/// # Errors
///
/// If there is no answer 200 after three attempts and ten redirects each, or a limit is exceeded.
pub async fn download(url: &str, limits: &DownloadLimits) -> Result<Vec<u8>, DownloadError> {
    let url = parse(url)?;
    let file = timeout(limits.total, attempts(limits.pause, || follow(url.clone(), limits))).await;
    file.unwrap_or(Err(DownloadError::Slow(limits.total)))
}

/// The result of the first attempt that succeeds or fails for good, or of the last one.
async fn attempts<T, F>(mut pause: Duration, attempt: impl Fn() -> F) -> Result<T, DownloadError>
where
    F: Future<Output = Result<T, DownloadError>>,
{
    for _ in 1..MAX_ATTEMPTS {
        match attempt().await {
            Err(error) if error.may_pass() => sleep(pause).await,
            done => return done,
        }
        pause = pause.saturating_mul(2);
    }
    attempt().await
}

/// One attempt, which ends where the redirects end.
async fn follow(mut url: Uri, limits: &DownloadLimits) -> Result<Vec<u8>, DownloadError> {
    for _ in 0..=MAX_REDIRECTS {
        let response = get(&url, limits).await?;
        match response.status() {
            StatusCode::OK => return body(response, limits.max_bytes).await,
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => {
                let location = response.headers().get(header::LOCATION);
                let location = location.ok_or(DownloadError::Status(response.status()))?;
                url = join(&url, &String::from_utf8_lossy(location.as_bytes()))?;
            }
            status => return Err(DownloadError::Status(status)),
        }
    }
    Err(DownloadError::Redirects)
}

/// Sends one request over a connection of its own.
async fn get(url: &Uri, limits: &DownloadLimits) -> Result<Response<Body>, DownloadError> {
    let (server, credentials) = split_userinfo(url)?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let mut config = Config::new(server);
    config.proxy_url = proxy(None, url)?;
    config.connect_timeout = Some(limits.connect);
    config.read_timeout = Some(limits.silence);
    config.default_retry = false;
    let mut request = Request::get(path)
        .header(header::USER_AGENT, concat!("gomemlimit/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close");
    if let Some(credentials) = credentials {
        request = request.header(header::AUTHORIZATION, credentials);
    }
    let failed = |error: &(dyn std::error::Error + 'static)| DownloadError::Failed(with_causes(error));
    let request = request.body(Body::empty()).map_err(|error| failed(&error))?;
    let client = Client::try_from(config).map_err(|error| failed(&error))?;
    client.send(request).await.map_err(|error| failed(&error))
}

async fn body(response: Response<Body>, max_bytes: u64) -> Result<Vec<u8>, DownloadError> {
    let most = usize::try_from(max_bytes).unwrap_or(usize::MAX);
    let body = Limited::new(response.into_body(), most).collect().await;
    let body = body.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
        Some(_) => DownloadError::TooLarge(max_bytes),
        None => DownloadError::Failed(with_causes(&*error)),
    })?;
    Ok(body.to_bytes().into())
}

#[cfg(test)]
mod tests;
