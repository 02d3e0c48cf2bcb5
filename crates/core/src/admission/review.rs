//! The AdmissionReview of the API server (`k8s.io/api/admission/v1`), as far as a decision needs it.
//!
//! If it is not an ordinary creation, the envelope is read first and the object stays raw text, so that a pod of any shape
//! can still be answered with its uid.

use std::borrow::Cow;

use serde::{Deserialize, de::Error};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::{
    json::{
        self, Object,
        text::{self, Text},
    },
    pod::Pod,
    quote::quote,
};

pub(super) const API_VERSION: &str = "admission.k8s.io/v1";
pub(super) const KIND: &str = "AdmissionReview";

/// Maximum length of a uid, in bytes; the API server's have 36. An answer repeats it, so a long one would make the answer
/// as large as the request.
pub const MAX_UID_BYTES: usize = 256;

/// The problem of a body without a uid to answer to.
#[derive(Debug, Error)]
pub enum ReviewError {
    /// Not JSON, or not of the shape of a review.
    #[error("the body is not an AdmissionReview: {0}")]
    Malformed(#[source] serde_json::Error),
    /// A review without a request or with an empty uid.
    #[error("the AdmissionReview has no request.uid")]
    NoUid,
    /// No API server makes such a uid.
    #[error("the uid is longer than {MAX_UID_BYTES} bytes")]
    LongUid,
}

/// One request of the API server, borrowed from the body.
#[derive(Debug)]
pub struct Review<'a> {
    uid: Text<'a>,
    request: Result<Request<'a, RequestObject<'a>>, String>,
}

/// The object of a request.
#[allow(clippy::large_enum_variant, reason = "there is one of them while a review is answered")]
#[derive(Debug)]
pub(super) enum RequestObject<'a> {
    /// Read together with the request.
    Pod(Pod<'a>),
    Raw(&'a RawValue),
}

/// The envelope of a request whose object is read as `O`.
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
pub(super) struct Request<'a, O> {
    #[serde(borrow)]
    uid: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "json::object_or_default")]
    pub(super) kind: GroupVersionKind<'a>,
    #[serde(borrow)]
    sub_resource: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "text::name")]
    namespace: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "text::name")]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    operation: Option<Text<'a>>,
    pub(super) object: Option<O>,
    #[serde(borrow)]
    pub(super) old_object: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "json::flag")]
    dry_run: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GroupVersionKind<'a> {
    #[serde(borrow)]
    pub(super) group: Text<'a>,
    #[serde(borrow)]
    pub(super) version: Text<'a>,
    #[serde(borrow)]
    pub(super) kind: Text<'a>,
}

impl GroupVersionKind<'_> {
    pub(super) fn is_pod(&self) -> bool {
        (&*self.group, &*self.version, &*self.kind) == ("", "v1", "Pod")
    }
}

impl<'a> Review<'a> {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// If no uid can be read. Any other problem becomes a warning of the answer.
    pub fn parse(body: &'a [u8]) -> Result<Self, ReviewError> {
        // Once for all of it, instead of for each string.
        match std::str::from_utf8(body) {
            Ok(json) => Self::parse_creation(json).map_or_else(|| Self::parse_any(json), Ok),
            Err(error) => Self::parse_uid_only(body, serde_json::Error::custom(error)),
        }
    }

    /// Reads the creation of a pod, which nearly every review is, in one pass over its text. `None` for anything else, and for
    /// any problem: [`Review::parse_any`] finds out which.
    fn parse_creation(json: &'a str) -> Option<Self> {
        let Object(envelope) = serde_json::from_str::<Object<Envelope<'a, Object<Pod<'a>>>>>(json).ok()?;
        if (envelope.api_version.as_deref()?, envelope.kind.as_deref()?) != (API_VERSION, KIND) {
            return None;
        }
        let mut request = envelope.request?;
        let uid = answerable(request.uid.take()).ok()?;
        let is_creation =
            request.kind.is_pod() && request.action() == ("CREATE", "") && request.object.is_some();
        is_creation
            .then(|| Self { uid, request: Ok(request.map_object(|Object(pod)| RequestObject::Pod(pod))) })
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
            Ok(request.map_object(RequestObject::Raw))
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

    /// The request; the error is the reason why it cannot be understood.
    pub(super) fn request(&self) -> Result<&Request<'a, RequestObject<'a>>, &str> {
        self.request.as_ref().map_err(|problem| &**problem)
    }

    /// The uid that the answer must repeat.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// The namespace of the object; empty if there is none.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.request().map(Request::namespace).unwrap_or_default()
    }

    /// Whether nothing will be stored.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        self.request().ok().and_then(|request| request.dry_run).unwrap_or_default()
    }
}

impl<'a, O> Request<'a, O> {
    /// Operation and subresource.
    pub(super) fn action(&self) -> (&str, &str) {
        (self.operation.as_deref().unwrap_or_default(), self.sub_resource.as_deref().unwrap_or_default())
    }

    pub(super) fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }

    /// `metadata.name`; empty if there is none.
    pub(super) fn name(&self) -> Cow<'a, str> {
        self.name.clone().unwrap_or_default().0
    }

    fn map_object<P>(self, object: impl FnOnce(O) -> P) -> Request<'a, P> {
        let Self { uid, kind, sub_resource, namespace, name, operation, old_object, dry_run, .. } = self;
        let object = self.object.map(object);
        Request { uid, kind, sub_resource, namespace, name, operation, object, old_object, dry_run }
    }
}

impl<'a> Request<'a, RequestObject<'a>> {
    pub(super) fn raw_object(&self) -> Option<&'a RawValue> {
        match self.object {
            Some(RequestObject::Raw(object)) => Some(object),
            _ => None,
        }
    }
}

/// A uid that can be repeated in an answer.
fn answerable(uid: Option<Text<'_>>) -> Result<Text<'_>, ReviewError> {
    let uid = uid.filter(|uid| !uid.is_empty()).ok_or(ReviewError::NoUid)?;
    if uid.len() > MAX_UID_BYTES { Err(ReviewError::LongUid) } else { Ok(uid) }
}
