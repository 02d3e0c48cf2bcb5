//! In-place resize (KEP-1287): a literal GOMEMLIMIT stays behind when the limit moves.

use serde_json::value::RawValue;

use crate::{
    names::GOMEMLIMIT,
    pod::{Container, Pod},
    quantity,
    text::quote,
    warning::{Warning, WarningKind},
};

/// A warning for each container whose memory limit changes under a literal GOMEMLIMIT.
///
/// Env comes from the old object: it cannot change, and a resize request need not repeat it.
pub(crate) fn warnings(old: Option<&RawValue>, new: Option<&RawValue>) -> Vec<Warning> {
    let (Some(old), Some(new)) = (old.and_then(parse), new.and_then(parse)) else { return Vec::new() };
    let mut warnings = Vec::new();
    for before in old.spec.init_containers.iter().chain(&old.spec.containers) {
        let mut candidates = new.spec.init_containers.iter().chain(&new.spec.containers);
        let after = candidates.find(|after| after.name == before.name);
        warnings.extend(after.and_then(|after| warning(before, after)));
    }
    warnings
}

fn parse(object: &RawValue) -> Option<Pod<'_>> {
    Pod::parse(object.get()).ok()
}

fn warning(before: &Container<'_>, after: &Container<'_>) -> Option<Warning> {
    let limit = |container: &Container<'_>| quantity::parse(container.resources.memory_limit()?).ok();
    let (old, new) = (limit(before)?, limit(after)?);
    let (_, entry) = before.env.gomemlimit.last()?;
    let value = entry.value.as_deref().filter(|value| value.starts_with(|c: char| c.is_ascii_digit()))?;
    (old != new).then(|| {
        let text = format!(
            "container {}: {GOMEMLIMIT}={} was made for the old memory limit and stays as it is under the new \
             one of {new} bytes; recreate the pod to get a value that fits",
            quote(&before.name),
            quote(value)
        );
        Warning::new(WarningKind::StaleValue, text)
    })
}
