//! `POST` to the path of the webhook: an AdmissionReview in, a response out. Nothing here waits for the API server, DNS or
//! a disk, and no failure of this program rejects a pod.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, StatusCode, Version,
        header::{CONTENT_TYPE, HOST, RETRY_AFTER},
    },
    response::Response,
    routing::post,
};
use gomemlimit_core::{
    NamespaceAnnotations, Review, ReviewError,
    admission::{Admission, ReviewOutcome, admit, respond_failure, warning_texts},
    decision::ContainerDecision,
};
use tracing::{error, info, warn};

use super::{
    body::{BodyBudget, BodyError, BodyLimits, BufferedBody},
    connection_state::ConnectionState,
    path::WebhookPath,
    policy::CurrentPolicy,
    throttle::Throttle,
};
use crate::metrics::{Metrics, REQUEST_CODES};

/// Minimum size of a body, in bytes, that is parsed off the threads that serve connections: it takes milliseconds.
const LARGE_BODY: usize = 256 << 10;

/// Minimum time between two log lines about requests that are no reviews: any client can send them without end.
const REJECTION_LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Source of the annotations of namespaces. Every request uses it, so it must not block.
pub trait Namespaces: Send + Sync {
    /// Annotations of the namespace; empty if unknown.
    fn annotations(&self, namespace: &str) -> NamespaceAnnotations;
}

/// A source without annotations.
pub struct NoNamespaces;

impl Namespaces for NoNamespaces {
    fn annotations(&self, _namespace: &str) -> NamespaceAnnotations {
        NamespaceAnnotations::new()
    }
}

struct Handler {
    policy: CurrentPolicy,
    namespaces: Arc<dyn Namespaces>,
    bodies: BodyBudget,
    metrics: Metrics,
    rejections: Throttle,
}

/// Routes of the webhook port. Other paths are answered with 404 before anything of a body is read.
pub(crate) fn router(
    paths: &BTreeSet<WebhookPath>,
    policy: CurrentPolicy,
    namespaces: Arc<dyn Namespaces>,
    limits: BodyLimits,
    metrics: Metrics,
) -> Router {
    let bodies = BodyBudget::new(limits, &metrics);
    let rejections = Throttle::new(REJECTION_LOG_INTERVAL);
    let handler = Handler { policy, namespaces, bodies, metrics, rejections };
    // axum panics if a path is there twice.
    let router = paths.iter().fold(Router::new(), |router, path| router.route(path.as_str(), post(mutate)));
    router.with_state(Arc::new(handler))
}

async fn mutate(State(handler): State<Arc<Handler>>, request: Request) -> Response {
    let started = Instant::now();
    let response = match handler.clone().receive(request).await {
        Ok(json) => response(StatusCode::OK, "application/json", json.into()),
        Err(rejection) => rejection.into_response(),
    };
    handler.metrics.count_request(code_label(response.status()), started.elapsed());
    response
}

/// Why a request gets no AdmissionReview: it has no uid, or there is no budget for it.
enum Rejection {
    /// RFC 9112, section 3.2.
    NoHost,
    NotJson,
    Body(BodyError),
    NoUid(String),
    Panicked,
}

impl Rejection {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::NoHost => (StatusCode::BAD_REQUEST, "a request has one Host".to_owned()),
            Self::NotJson => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "send an AdmissionReview as application/json".to_owned())
            }
            Self::Body(error) => {
                let status = match error {
                    BodyError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
                    BodyError::Busy => StatusCode::SERVICE_UNAVAILABLE,
                    BodyError::TooSlow => StatusCode::REQUEST_TIMEOUT,
                    BodyError::Broken => StatusCode::BAD_REQUEST,
                };
                (status, error.to_string())
            }
            Self::NoUid(problem) => (StatusCode::BAD_REQUEST, problem),
            Self::Panicked => {
                (StatusCode::INTERNAL_SERVER_ERROR, "gomemlimit failed; please report this".to_owned())
            }
        };
        let mut response = response(status, "text/plain; charset=utf-8", format!("{text}\n").into());
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

fn response(status: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The status as a metric label of the closed list.
fn code_label(status: StatusCode) -> &'static str {
    REQUEST_CODES.into_iter().find(|code| *code == status.as_str()).unwrap_or("500")
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

impl Handler {
    /// Reads the body of a request within the budget, and admits its review.
    async fn receive(self: Arc<Self>, request: Request) -> Result<Bytes, Rejection> {
        if request.version() == Version::HTTP_11 && request.headers().get_all(HOST).iter().count() != 1 {
            return Err(Rejection::NoHost);
        }
        if !is_json(request.headers()) {
            return Err(Rejection::NotJson);
        }
        let client = request.extensions().get::<Arc<ConnectionState>>().cloned();
        let body = self.bodies.read(request.into_body(), client).await.map_err(Rejection::Body)?;
        if body.bytes.len() < LARGE_BODY {
            return self.admit(body);
        }
        let admission = tokio::task::spawn_blocking(move || self.admit(body));
        admission.await.unwrap_or(Err(Rejection::Panicked))
    }

    /// Admits one review; a panic is contained.
    fn admit(&self, BufferedBody { bytes: body, permit, client }: BufferedBody) -> Result<Bytes, Rejection> {
        let admitted = catch_unwind(AssertUnwindSafe(|| {
            let namespace = |name: &str| self.namespaces.annotations(name);
            let Admission { review, outcome, response } =
                admit(&body, namespace, &self.policy.load()).map_err(|error| self.reject(&error))?;
            let response =
                self.bodies.charge_response(response, permit, client.as_ref()).map_err(Rejection::Body)?;
            // Not before the client is sure to get it.
            self.metrics.count_decision(&outcome.decision);
            log(&review, &outcome);
            Ok(response)
        }));
        admitted.unwrap_or_else(|_| {
            self.metrics.count_panic();
            respond_after_panic(&body)
        })
    }

    fn reject(&self, error: &ReviewError) -> Rejection {
        let problem = error.to_string();
        if let Some(suppressed) = self.rejections.pass() {
            warn!(%problem, suppressed, "refused a request");
        }
        Rejection::NoUid(problem)
    }
}

/// The response after a panic: the pod stays unchanged. None if the panic came before the uid was known.
fn respond_after_panic(body: &[u8]) -> Result<Bytes, Rejection> {
    let Ok(Ok(review)) = catch_unwind(|| Review::parse(body)) else { return Err(Rejection::Panicked) };
    error!(uid = review.uid(), namespace = review.namespace(), "failed; the pod was left unchanged");
    Ok(respond_failure(review.uid()).into())
}

/// Logs one line for each pod that was changed (or would have been, in audit mode) or has a warning.
fn log(review: &Review<'_>, ReviewOutcome { pod_name, decision }: &ReviewOutcome<'_>) {
    let is_changed = decision.containers.iter().any(ContainerDecision::is_changed);
    let has_value = decision.containers.iter().any(|container| container.outcome.value.is_some());
    if !has_value && decision.warnings.is_empty() {
        return;
    }
    let values: Vec<String> = decision
        .containers
        .iter()
        .filter_map(|container| {
            let value = container.outcome.value?;
            Some(format!("{}={} ({})", container.name(), value.text(), container.outcome.reason))
        })
        .collect();
    info!(
        uid = review.uid(),
        namespace = review.namespace(),
        pod = &**pod_name,
        dry_run = review.is_dry_run(),
        containers = values.join(", "),
        warnings = warning_texts(&decision.warnings).join("; "),
        "{}",
        if is_changed { "injected" } else { "unchanged" }
    );
}
