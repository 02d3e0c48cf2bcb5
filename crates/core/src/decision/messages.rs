//! Messages about a GOMEMLIMIT that is in env already: of the user, or of this program.

use std::fmt;

use crate::{
    decision::{
        outcome::{ComputedValue, ContainerList},
        owned_values::{OwnedValue, ValueSource},
        user_value::ValueProblem,
    },
    names::{DOMAIN, INJECT_LABEL},
    pod::containers::Container,
    quantity,
    quote::quote,
    reason::Reason,
    settings::{level::Level, precedence::ChosenMode},
    units::human,
    value::limit::Limit,
    warning::{Warning, WarningKind},
};

/// A container in a message: its name in quotes, or `containers[0]` if it has none.
#[derive(Clone, Copy)]
pub(crate) struct ContainerLabel<'c> {
    pub(crate) name: &'c str,
    pub(crate) list: ContainerList,
    /// Its index in that list.
    pub(crate) index: usize,
}

impl fmt::Display for ContainerLabel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, list, index } = *self;
        f.write_str(&if name.is_empty() { list.item(index) } else { quote(name) })
    }
}

/// The result of `repair: fix` for a broken value.
#[derive(Clone, Copy)]
pub(crate) struct RepairResult {
    pub(crate) repaired: Option<ComputedValue>,
    /// The reason for having no replacement.
    pub(crate) blocked_by: Option<Reason>,
}

/// The message about a value of the user, if there is one.
pub(crate) fn user_value_message(
    container: &Container<'_>,
    problem: Option<&ValueProblem>,
    RepairResult { repaired, blocked_by }: RepairResult,
) -> Option<String> {
    let several = container.env.gomemlimit_indexes.len() > 1;
    let Some(problem) = problem else {
        let text = "GOMEMLIMIT is in env more than once; the last one counts";
        return several.then(|| text.to_owned());
    };
    let which = if several { " (the last of several entries, which counts)" } else { "" };
    let end = match (repaired, blocked_by) {
        (Some(value), _) => format!("repaired: GOMEMLIMIT={}", value.text()),
        (_, Some(reason)) => format!("not repaired: {}", reason.explanation()),
        (None, None) => problem.advice().to_owned(),
    };
    Some(format!("{problem}{which}; {end}"))
}

/// A warning about one container.
pub(crate) fn container_warning(container: ContainerLabel<'_>, kind: WarningKind, text: &str) -> Warning {
    Warning::new(kind, format!("container {container}: {text}"))
}

/// The message about a memory limit with this text, if it is no quantity. `is_in_template`: in an `OpenShift` Template.
pub(crate) fn invalid_limit_message(text: &str, is_in_template: bool) -> Option<String> {
    let problem = quantity::parse(text).err()?;
    let limit = format!("the memory limit {}", quote(text));
    if let Some(placeholder) = placeholder(text, is_in_template) {
        return Some(format!("{limit} {placeholder}"));
    }
    let meant = quantity::suggestion(text).map(|meant| format!("; did you mean {meant}?"));
    Some(format!("{limit} {problem}{}", meant.unwrap_or_default()))
}

/// The message about another container whose memory limit is no quantity, so that this one's part of the pod's is not known.
pub(crate) fn invalid_sharer_message(name: &str, text: &str, is_in_template: bool) -> Option<String> {
    let message = invalid_limit_message(text, is_in_template)?;
    Some(format!(
        "what is left of the pod's memory limit is not known: in container {}, {message}",
        quote(name)
    ))
}

/// The message about a pod that has opted out by its label.
pub(crate) fn opted_out_by_label() -> String {
    format!("opted out by the label {}", quote(INJECT_LABEL))
}

/// The message about a container that has opted out by this mode. A rule is named beside it.
pub(crate) fn opted_out_message(chosen: ChosenMode, container: &str) -> String {
    let setting = chosen.setting().as_str();
    let key = format!("{DOMAIN}/{setting}");
    match chosen.level {
        Level::Container => {
            format!("opted out by the annotation {}", quote(&format!("{setting}.{DOMAIN}/{container}")))
        }
        Level::Pod => format!("opted out by the annotation {}", quote(&key)),
        Level::Rule => "opted out by a rule of the policy file".to_owned(),
        Level::Namespace => format!("opted out by the annotation {} of the namespace", quote(&key)),
        Level::Default => format!("opted out by --{setting}=off"),
    }
}

/// What a text waits for, if it is a placeholder.
fn placeholder(text: &str, is_in_template: bool) -> Option<&'static str> {
    if is_in_template && text.contains("${") {
        Some("has a parameter of a template; fill it in first, as oc process does")
    } else if ["{{", "{%", "<%"].iter().any(|start| text.contains(start)) {
        Some("is part of a template; render it first, with helm template or whatever it was written for")
    } else if text.contains('$') {
        Some("has a variable; replace it first, as envsubst, Flux (postBuild) or kustomize (vars) do")
    } else {
        None
    }
}

/// The message about a memory limit that is too small, if the reason is about that.
pub(crate) fn limit_message(
    reason: Reason,
    text: Option<&str>,
    limit: Limit,
    minimum: u64,
) -> Option<String> {
    if reason != Reason::BelowMinimum {
        return None;
    }
    Some(match text.and_then(quantity::too_small) {
        Some(problem) => format!("the memory limit {problem}"),
        None => format!(
            "the memory limit of {} is too small for GOMEMLIMIT to help: min-limit is {}",
            human(limit.bytes()?),
            human(minimum)
        ),
    })
}

/// The warning about an own earlier value that does not fit any more and stays: this program never removes one.
pub(crate) fn stale_value_warning(
    container: ContainerLabel<'_>,
    own: &OwnedValue,
    limit: Limit,
    reason: Reason,
) -> Option<Warning> {
    let text = match own.source {
        ValueSource::Literal { bytes, .. } if limit.bytes() != Some(own.limit) => format!(
            "container {container}: GOMEMLIMIT={bytes} was injected for a limit of {} and stays, although now: {}; remove \
             it from the manifest",
            human(own.limit),
            reason.explanation()
        ),
        ValueSource::Track { .. } if limit.own_bytes().is_none() => format!(
            "container {container}: GOMEMLIMIT follows a memory limit of the container that is not there any more, so it \
             becomes the node's size; remove it from the manifest, or set the limit"
        ),
        _ => return None,
    };
    Some(Warning::new(WarningKind::StaleValue, text))
}
