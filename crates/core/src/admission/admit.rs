//! One admission review, from the bytes of the request to the bytes of the response.
//!
//! [`admit`] is the whole way, top to bottom, and each stage has one type: [`Review::parse`] → [`ReviewOutcome`], with the
//! [`PodDecision`] of [`decide`], one [`ContainerDecision`](crate::decision::ContainerDecision) per container → [`Patch::new`] →
//! [`respond`].

use std::borrow::Cow;

use crate::{
    admission::{
        patch::Patch,
        resize,
        response::respond,
        review::{Request, RequestObject, Review, ReviewError},
    },
    decision::{
        decide::{PodContext, decide},
        outcome::PodDecision,
    },
    pod::Pod,
    policy::Policy,
    quote::{MAX_QUOTED_CHARS, quote, start},
    reason::Reason,
    settings::annotations::NamespaceAnnotations,
    warning::{Warning, WarningKind},
};

/// The response to one review, with what it was decided by.
#[derive(Debug)]
pub struct Admission<'a> {
    /// The request.
    pub review: Review<'a>,
    /// The decision about its pod.
    pub outcome: ReviewOutcome<'a>,
    /// The body of the response: an AdmissionReview as JSON, always `allowed`.
    pub response: Vec<u8>,
}

/// Answers the review in `body`, the JSON of an AdmissionReview of `admission.k8s.io/v1`. `namespace` looks up the
/// annotations of the namespace that the review names.
///
/// # Errors
/// If the body has no uid that could be answered to. Any other problem becomes a warning of the response.
pub fn admit<'a>(
    body: &'a [u8],
    namespace: impl FnOnce(&str) -> NamespaceAnnotations,
    policy: &Policy,
) -> Result<Admission<'a>, ReviewError> {
    let review = Review::parse(body)?;
    let annotations = namespace(review.namespace());
    let mut outcome = ReviewOutcome::decide(&review, &annotations, policy);
    let Patch { operations, warning } = Patch::new(&outcome.decision);
    outcome.decision.warnings.extend(warning);
    let response = respond(review.uid(), &outcome.decision, &operations);
    Ok(Admission { review, outcome, response })
}

/// The decision about the pod of one review.
#[derive(Debug)]
pub struct ReviewOutcome<'a> {
    /// The pod's name or `generateName`; empty if unknown.
    pub pod_name: Cow<'a, str>,
    /// The decision.
    pub decision: PodDecision<'a>,
}

impl<'a> ReviewOutcome<'a> {
    /// Decides by what the request is about. Never fails: a request that cannot be understood changes nothing.
    fn decide(review: &Review<'a>, annotations: &NamespaceAnnotations, policy: &Policy) -> Self {
        let request = match review.request() {
            Ok(request) => request,
            Err(problem) => return Self::unchanged(Reason::NotAPod, Some(problem.to_owned())),
        };
        let kind = &request.kind;
        if !kind.is_pod() {
            let [group, version, kind] =
                [&kind.group, &kind.version, &kind.kind].map(|text| start(text, MAX_QUOTED_CHARS));
            let kind = quote(&format!("{group}/{version} {kind}"));
            let problem = format!("called for {kind} instead of a v1 Pod; check the webhook's rules");
            return Self::unchanged(Reason::NotAPod, Some(problem));
        }
        match request.action() {
            ("CREATE", "") => Self::of_creation(request, annotations, policy),
            ("UPDATE", "resize") => Self::of_resize(request),
            _ => Self { pod_name: request.name(), ..Self::unchanged(Reason::NotCreate, None) },
        }
    }

    fn of_creation(
        request: &Request<'a, RequestObject<'a>>,
        annotations: &NamespaceAnnotations,
        policy: &Policy,
    ) -> Self {
        let decide_about = |pod: &Pod<'a>| {
            let context = PodContext {
                namespace: request.namespace(),
                annotations,
                owner: None,
                is_in_template: false,
            };
            let name = Some(request.name()).filter(|name| !name.is_empty());
            let pod_name = name.unwrap_or_else(|| Cow::Owned(pod.name().to_owned()));
            Self { pod_name, decision: decide(pod, context, policy) }
        };
        let problem = match &request.object {
            Some(RequestObject::Pod(pod)) => return decide_about(pod),
            Some(RequestObject::Raw(object)) => match Pod::parse(object.get()) {
                Ok(pod) => return decide_about(&pod),
                Err(error) => format!("the pod cannot be read: {error}"),
            },
            None => "the AdmissionReview of a CREATE has no object".to_owned(),
        };
        Self::unchanged(Reason::NotAPod, Some(problem))
    }

    fn of_resize(request: &Request<'a, RequestObject<'a>>) -> Self {
        let warnings = resize::warnings(request.old_object, request.raw_object());
        let decision = PodDecision { reason: Some(Reason::NotCreate), warnings, ..PodDecision::default() };
        Self { pod_name: request.name(), decision }
    }

    fn unchanged(reason: Reason, problem: Option<String>) -> Self {
        let warnings = problem.map(|problem| Warning::new(WarningKind::BadReview, problem));
        let warnings = warnings.into_iter().collect();
        let decision = PodDecision { reason: Some(reason), warnings, ..PodDecision::default() };
        Self { pod_name: Cow::Borrowed(""), decision }
    }
}
