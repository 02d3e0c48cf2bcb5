//! What is to be said about a value that stands in env already: the user's, or an earlier one of ours.

use crate::{
    existing::Broken,
    pod::Container,
    podlimit::Limit,
    reason::Reason,
    status::{Basis, Record},
    text::quote,
    verdict::Plan,
    warning::{Warning, WarningKind},
};

/// What became of a broken value under `repair: fix`.
#[derive(Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) repaired: Option<Plan>,
    /// Why nothing can be put in its place.
    pub(crate) hindrance: Option<Reason>,
}

/// What is to be said about a value of the user.
pub(crate) fn existing_warning(
    container: &Container<'_>,
    broken: Option<&Broken>,
    Outcome { repaired, hindrance }: Outcome,
) -> Option<Warning> {
    let several = container.env.places.len() > 1;
    let Some(broken) = broken else {
        let text = "GOMEMLIMIT is in env more than once; the last one counts";
        return several.then(|| broken_value(container, text));
    };
    let which = if several { " (the last of several entries, which counts)" } else { "" };
    let end = match (repaired, hindrance) {
        (Some(plan), _) => format!("repaired: GOMEMLIMIT={}", plan.text()),
        (_, Some(reason)) => format!("not repaired: {}", reason.explanation()),
        (None, None) => broken.advice().to_owned(),
    };
    Some(broken_value(container, &format!("{broken}{which}; {end}")))
}

fn broken_value(container: &Container<'_>, text: &str) -> Warning {
    Warning::new(WarningKind::BrokenValue, format!("container {}: {text}", quote(&container.name)))
}

/// Our own earlier value stays where we would not set one now, since we never remove. This says so where it
/// does not fit any more.
pub(crate) fn left_behind(
    container: &Container<'_>,
    own: &Record,
    limit: Limit,
    reason: Reason,
) -> Option<Warning> {
    let name = quote(&container.name);
    let text = match own.basis {
        Basis::Literal { bytes, .. } if limit.bytes() != Some(own.limit) => format!(
            "container {name}: GOMEMLIMIT={bytes} was injected for a limit of {} bytes and stays, although now: {}; remove \
             it from the manifest",
            own.limit,
            reason.explanation()
        ),
        Basis::Track { .. } if limit.own_bytes().is_none() => format!(
            "container {name}: GOMEMLIMIT follows a memory limit of the container that is not there any more, so it \
             becomes the node's size; remove it from the manifest, or set the limit"
        ),
        _ => return None,
    };
    Some(Warning::new(WarningKind::StaleValue, text))
}
