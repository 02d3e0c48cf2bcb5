//! AdmissionReview in, AdmissionReview out (`k8s.io/api/admission/v1`).
//!
//! Where anything about it surprises us the envelope is read first and the object stays raw text, so that a pod of
//! any shape can still be answered with its uid. What the API server accepts as an answer stands in
//! `k8s.io/apiserver/pkg/admission/plugin/webhook/request/admissionreview.go`.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize, de::Error};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::{
    admission::{patch::Operation, resize, status::Status},
    decision::{
        decide::{Surroundings, decide},
        outcome::Verdict,
    },
    json::{
        self, Object,
        text::{self, Text},
    },
    names::AUDIT_ANNOTATION,
    pod::Pod,
    policy::Policy,
    quote::{MOST_QUOTED, quote, shorten_quoted, start},
    reason::Reason,
    settings::annotations::NamespaceAnnotations,
    warning::{Warning, WarningKind},
};

const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";

/// Characters of all warnings of a request together that the API server passes on whole; if there are more, it cuts each
/// to [`MAX_CUT_WARNING_CHARS`] (`truncateAtTotalRunes` and `truncateItemRunes` of
/// `k8s.io/apiserver/pkg/endpoints/filters/warning.go`).
const MAX_WARNINGS_CHARS: usize = 4 * 1024;
const MAX_CUT_WARNING_CHARS: usize = 256;

/// Bytes of the longest uid that is answered to; the API server's have 36. An answer repeats it, so an endless one would
/// make the answer as large as the request.
pub const MOST_UID: usize = 256;

/// The body holds no review that could be answered: there is no uid to answer to.
#[derive(Debug, Error)]
pub enum ReviewError {
    /// Not JSON, or not of the shape of a review.
    #[error("the body is not an AdmissionReview: {0}")]
    Malformed(#[source] serde_json::Error),
    /// A review without a request or with an empty uid.
    #[error("the AdmissionReview has no request.uid")]
    NoUid,
    /// No API server makes such a uid.
    #[error("the uid is longer than {MOST_UID} bytes")]
    LongUid,
}

/// One request of the API server, borrowed from the body.
#[derive(Debug)]
pub struct Review<'a> {
    uid: Text<'a>,
    request: Result<Request<'a, Sent<'a>>, String>,
}

/// The object of a request.
#[allow(clippy::large_enum_variant, reason = "there is one of them while a review is answered")]
#[derive(Debug)]
enum Sent<'a> {
    /// Read together with the request.
    Pod(Pod<'a>),
    Raw(&'a RawValue),
}

/// What its object is read as is left to `O`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "O: Deserialize<'de>, 'de: 'a"))]
struct Envelope<'a, O> {
    #[serde(borrow)]
    api_version: Option<Text<'a>>,
    #[serde(borrow)]
    kind: Option<Text<'a>>,
    #[serde(default, deserialize_with = "json::object")]
    request: Option<Request<'a, O>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "O: Deserialize<'de>, 'de: 'a"))]
struct Request<'a, O> {
    #[serde(borrow)]
    uid: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "json::object_or_default")]
    kind: GroupVersionKind<'a>,
    #[serde(borrow)]
    sub_resource: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "text::name")]
    namespace: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "text::name")]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    operation: Option<Text<'a>>,
    object: Option<O>,
    #[serde(borrow)]
    old_object: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "json::flag")]
    dry_run: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GroupVersionKind<'a> {
    #[serde(borrow)]
    group: Text<'a>,
    #[serde(borrow)]
    version: Text<'a>,
    #[serde(borrow)]
    kind: Text<'a>,
}

impl GroupVersionKind<'_> {
    fn is_pod(&self) -> bool {
        (&*self.group, &*self.version, &*self.kind) == ("", "v1", "Pod")
    }
}

impl<'a> Review<'a> {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// Only where no uid can be read. Everything else that is wrong becomes a warning of the answer.
    pub fn parse(body: &'a [u8]) -> Result<Self, ReviewError> {
        // Once for all of it, instead of for each string.
        match std::str::from_utf8(body) {
            Ok(json) => Self::parse_creation(json).map_or_else(|| Self::parse_any(json), Ok),
            Err(error) => Self::parse_uid_only(body, serde_json::Error::custom(error)),
        }
    }

    /// What nearly every review is, the creation of a pod, in one pass over its text. `None` for anything else, and for
    /// whatever is wrong: that is told apart step by step.
    fn parse_creation(json: &'a str) -> Option<Self> {
        let Object(envelope) = serde_json::from_str::<Object<Envelope<'a, Object<Pod<'a>>>>>(json).ok()?;
        if (envelope.api_version.as_deref()?, envelope.kind.as_deref()?) != (API_VERSION, KIND) {
            return None;
        }
        let mut request = envelope.request?;
        let uid = answerable(request.uid.take()).ok()?;
        let is_creation =
            request.kind.is_pod() && request.action() == ("CREATE", "") && request.object.is_some();
        is_creation.then(|| Self { uid, request: Ok(request.map_object(|Object(pod)| Sent::Pod(pod))) })
    }

    fn parse_any(json: &'a str) -> Result<Self, ReviewError> {
        let envelope = match serde_json::from_str::<Object<Envelope<'a, &'a RawValue>>>(json) {
            Ok(Object(envelope)) => envelope,
            Err(error) => return Self::parse_uid_only(json.as_bytes(), error),
        };
        let mut request = envelope.request.ok_or(ReviewError::NoUid)?;
        let uid = answerable(request.uid.take())?;
        let (kind, version) = (envelope.kind.unwrap_or_default(), envelope.api_version.unwrap_or_default());
        let request = if (&*version, &*kind) == (API_VERSION, KIND) {
            Ok(request.map_object(Sent::Raw))
        } else {
            let (version, kind) = (quote(&version), quote(&kind));
            Err(format!("expected {KIND} of {API_VERSION}, got kind {kind} of {version}"))
        };
        Ok(Self { uid, request })
    }

    /// Some field of the request is not what it should be; the uid may be there all the same.
    fn parse_uid_only(body: &'a [u8], error: serde_json::Error) -> Result<Self, ReviewError> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Envelope<'a> {
            #[serde(borrow, deserialize_with = "json::object")]
            request: Option<Request<'a>>,
        }
        #[derive(Deserialize)]
        struct Request<'a> {
            #[serde(borrow)]
            uid: Text<'a>,
        }
        match serde_json::from_slice::<Object<Envelope<'a>>>(body) {
            Ok(Object(Envelope { request: Some(Request { uid }) })) if !uid.is_empty() => Ok(Self {
                uid: answerable(Some(uid))?,
                request: Err(format!("the AdmissionReview cannot be read: {error}")),
            }),
            _ => Err(ReviewError::Malformed(error)),
        }
    }

    fn request(&self) -> Option<&Request<'a, Sent<'a>>> {
        self.request.as_ref().ok()
    }

    /// The uid that the answer must repeat.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// The namespace of the object; empty where there is none.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.request().and_then(|request| request.namespace.as_deref()).unwrap_or_default()
    }

    /// Whether nothing will be stored.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        self.request().and_then(|request| request.dry_run).unwrap_or_default()
    }

    /// Decides. Never fails: a request that cannot be understood gets a verdict that changes nothing.
    #[must_use]
    pub fn judge(&self, namespace: &NamespaceAnnotations, policy: &Policy) -> Judgement<'a> {
        let request = match &self.request {
            Ok(request) => request,
            Err(problem) => return Judgement::nothing(Reason::NotAPod, Some(problem.clone())),
        };
        let kind = &request.kind;
        if !kind.is_pod() {
            let [group, version, kind] =
                [&kind.group, &kind.version, &kind.kind].map(|text| start(text, MOST_QUOTED));
            let what = quote(&format!("{group}/{version} {kind}"));
            let problem = format!("called for {what} instead of a v1 Pod; check the webhook's rules");
            return Judgement::nothing(Reason::NotAPod, Some(problem));
        }
        match request.action() {
            ("CREATE", "") => request.judge_create(namespace, policy),
            ("UPDATE", "resize") => Judgement {
                pod_name: request.name_text(),
                verdict: Verdict {
                    reason: Some(Reason::NotCreate),
                    warnings: resize::warnings(request.old_object, request.raw_object()),
                    ..Verdict::default()
                },
            },
            _ => Judgement { pod_name: request.name_text(), ..Judgement::nothing(Reason::NotCreate, None) },
        }
    }
}

impl<'a, O> Request<'a, O> {
    /// Operation and subresource.
    fn action(&self) -> (&str, &str) {
        (self.operation.as_deref().unwrap_or_default(), self.sub_resource.as_deref().unwrap_or_default())
    }

    fn map_object<P>(self, object: impl FnOnce(O) -> P) -> Request<'a, P> {
        let Self { uid, kind, sub_resource, namespace, name, operation, old_object, dry_run, .. } = self;
        let object = self.object.map(object);
        Request { uid, kind, sub_resource, namespace, name, operation, object, old_object, dry_run }
    }
}

impl<'a> Request<'a, Sent<'a>> {
    fn name_text(&self) -> Cow<'a, str> {
        self.name.clone().unwrap_or_default().0
    }

    fn raw_object(&self) -> Option<&'a RawValue> {
        match self.object {
            Some(Sent::Raw(object)) => Some(object),
            _ => None,
        }
    }

    fn judge_create(&self, namespace: &NamespaceAnnotations, policy: &Policy) -> Judgement<'a> {
        let problem = match &self.object {
            Some(Sent::Pod(pod)) => return self.judge_pod(pod, namespace, policy),
            Some(Sent::Raw(object)) => match Pod::parse(object.get()) {
                Ok(pod) => return self.judge_pod(&pod, namespace, policy),
                Err(error) => format!("the pod cannot be read: {error}"),
            },
            None => "the AdmissionReview of a CREATE has no object".to_owned(),
        };
        Judgement::nothing(Reason::NotAPod, Some(problem))
    }

    fn judge_pod(&self, pod: &Pod<'a>, namespace: &NamespaceAnnotations, policy: &Policy) -> Judgement<'a> {
        let name = self.namespace.as_deref().unwrap_or_default();
        let surroundings = Surroundings { namespace: name, annotations: namespace, owner: None };
        let pod_name = match self.name.clone().filter(|name| !name.is_empty()) {
            Some(name) => name.0,
            None => Cow::Owned(pod.name().to_owned()),
        };
        Judgement { pod_name, verdict: decide(pod, surroundings, policy) }
    }
}

/// A uid that can be repeated in an answer.
fn answerable(uid: Option<Text<'_>>) -> Result<Text<'_>, ReviewError> {
    let uid = uid.filter(|uid| !uid.is_empty()).ok_or(ReviewError::NoUid)?;
    if uid.len() > MOST_UID { Err(ReviewError::LongUid) } else { Ok(uid) }
}

/// A verdict and the pod it is about.
#[derive(Debug)]
pub struct Judgement<'a> {
    /// The pod's name or `generateName`; empty where unknown.
    pub pod_name: Cow<'a, str>,
    /// What was decided.
    pub verdict: Verdict<'a>,
}

impl Judgement<'_> {
    fn nothing(reason: Reason, problem: Option<String>) -> Self {
        let warnings = problem.map(|problem| Warning::new(WarningKind::BadReview, problem));
        let verdict =
            Verdict { reason: Some(reason), warnings: warnings.into_iter().collect(), ..Verdict::default() };
        Self { pod_name: Cow::Borrowed(""), verdict }
    }
}

impl Verdict<'_> {
    /// The texts of the warnings, as the API server passes them on: whole, unless all of them together exceed
    /// 4,096 characters. Then each is shortened to 256, and those that exceed the total are left out.
    #[must_use]
    pub fn warning_texts(&self) -> Vec<Cow<'_, str>> {
        let texts = || self.warnings.iter().map(|warning| &*warning.text);
        if texts().map(|text| text.chars().count()).sum::<usize>() <= MAX_WARNINGS_CHARS {
            return texts().map(Cow::Borrowed).collect();
        }
        let mut total = 0;
        let is_within = |text: &Cow<'_, str>| {
            total += text.chars().count();
            total <= MAX_WARNINGS_CHARS
        };
        texts().map(shorten).take_while(is_within).collect()
    }

    /// The AdmissionReview that answers the request with this uid: always allowed, with a patch of these operations
    /// ([`Verdict::patch`]) unless there are none.
    #[must_use]
    pub fn respond(&self, uid: &str, operations: &[Operation]) -> Vec<u8> {
        // Operations are strings in lists: serialising them cannot fail.
        let patch = (!operations.is_empty())
            .then(|| serde_json::to_vec(operations).map(|json| BASE64.encode(json)).ok())
            .flatten();
        let audit = Status::new(self, &[]).to_json();
        respond(uid, patch, &self.warning_texts(), Some(audit))
    }
}

/// A warning within [`MAX_CUT_WARNING_CHARS`]. The advice is at its end, so that quoted names and values are shortened
/// first.
fn shorten(text: &str) -> Cow<'_, str> {
    /// Characters of each quoted name or value, of which the second leaves room for every sentence of ours.
    const MAX_QUOTED_CHARS: [usize; 2] = [40, 20];
    let fits = |text: &str| text.chars().count() <= MAX_CUT_WARNING_CHARS;
    if fits(text) {
        return Cow::Borrowed(text);
    }
    let [long, short] = MAX_QUOTED_CHARS.map(|max| shorten_quoted(text, max));
    if fits(&long) {
        Cow::Owned(long)
    } else if fits(&short) {
        Cow::Owned(short)
    } else {
        Cow::Owned(start(&short, MAX_CUT_WARNING_CHARS - 1).to_owned() + "…")
    }
}

/// The answer where our own code failed: allowed, unchanged, with a warning.
#[must_use]
pub fn respond_failure(uid: &str) -> Vec<u8> {
    let warning = "gomemlimit failed on this pod and left it unchanged; please report this";
    respond(uid, None, &[Cow::Borrowed(warning)], None)
}

fn respond(uid: &str, patch: Option<String>, warnings: &[Cow<'_, str>], audit: Option<String>) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Envelope<'r> {
        api_version: &'static str,
        kind: &'static str,
        response: Response<'r>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Response<'r> {
        uid: &'r str,
        allowed: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        patch_type: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        patch: Option<String>,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        warnings: &'r [Cow<'r, str>],
        #[serde(skip_serializing_if = "Option::is_none")]
        audit_annotations: Option<AuditAnnotations>,
    }
    struct AuditAnnotations(String);
    impl Serialize for AuditAnnotations {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map([(AUDIT_ANNOTATION, &self.0)])
        }
    }
    let response = Response {
        uid,
        allowed: true,
        patch_type: patch.is_some().then_some("JSONPatch"),
        patch,
        warnings,
        audit_annotations: audit.map(AuditAnnotations),
    };
    // Strings, a bool and string keys: serialising them cannot fail.
    serde_json::to_vec(&Envelope { api_version: API_VERSION, kind: KIND, response }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_anything_to_shorten_ends_with_an_ellipsis() {
        assert_eq!(shorten(&"ä".repeat(257)), "ä".repeat(255) + "…");
        assert_eq!(shorten(&"ä".repeat(256)), "ä".repeat(256));
    }

    #[test]
    fn quoted_texts_are_shortened_as_little_as_is_enough() {
        let text = |name: &str| format!("container {name:?}: {}", "x".repeat(200));
        assert_eq!(
            shorten(&text(&"n".repeat(63))),
            text("n")
                .replace("\"n\"", &format!("\"{}…\"", "n".repeat(40)))
                .chars()
                .take(256)
                .collect::<String>()
        );
        // An escaped quote does not end the text.
        assert_eq!(shorten_quoted(r#"a "1\"3456" b"#, 4), r#"a "1\"3…" b"#);
    }
}
