//! In-place resize (KEP-1287): a literal GOMEMLIMIT stays behind when the limit moves.

use serde_json::value::RawValue;

use crate::{
    names::GOMEMLIMIT,
    pod::{Pod, containers::Container},
    quote::quote,
    units::human,
    value::limit::PodLimits,
    warning::{Warning, WarningKind},
};

/// A warning for each container whose memory limit changes under a literal GOMEMLIMIT.
///
/// Env comes from the old object: it cannot change, and a resize request need not repeat it.
pub(crate) fn warnings(old: Option<&RawValue>, new: Option<&RawValue>) -> Vec<Warning> {
    let (Some(old), Some(new)) = (old.and_then(parse), new.and_then(parse)) else { return Vec::new() };
    let (old_limits, new_limits) = (PodLimits::new(&old.spec), PodLimits::new(&new.spec));
    let mut warnings = Vec::new();
    for before in old.spec.all_containers() {
        let Some(after) = new.spec.all_containers().find(|after| after.name == before.name) else { continue };
        // Plain init containers have ended before a pod is resized: that they count as sidecars is harmless.
        let limits = (old_limits.of(before, false).bytes(), new_limits.of(after, false).bytes());
        if let (Some(old), Some(new)) = limits
            && old != new
        {
            warnings.extend(warning(before, old, new));
        }
    }
    warnings
}

fn parse(object: &RawValue) -> Option<Pod<'_>> {
    Pod::parse(object.get()).ok()
}

fn warning(container: &Container<'_>, old: u64, new: u64) -> Option<Warning> {
    let (_, entry) = container.env.gomemlimit.as_ref()?;
    let value = entry.value.as_deref().filter(|value| value.starts_with(|c: char| c.is_ascii_digit()))?;
    let text = format!(
        "container {}: {GOMEMLIMIT}={} stays as it is while the memory limit changes from {} to {}; \
         recreate the pod to get a value that fits",
        quote(&container.name),
        quote(value),
        human(old),
        human(new)
    );
    Some(Warning::new(WarningKind::StaleValue, text))
}
