//! The value of a container: the recipe of its settings, applied to its limit.

use crate::{
    decision::{
        messages::ContainerLabel,
        outcome::{ComputedValue, NotTracked},
        owned_values::OwnedValue,
    },
    pod::{containers::Container, env::MibVariable},
    reason::Reason,
    settings::{level::Levels, precedence::Precedence, table::Setting, words::ValueKind},
    value::{formula, limit::Limit, recipe::Recipe},
    warning::Warning,
};

/// The value for a container that nothing else excludes, or the reason for having none.
pub(super) fn compute(
    (container, label): (&Container<'_>, ContainerLabel<'_>),
    limit: Limit,
    own: Option<&OwnedValue>,
    precedence: Precedence<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<ComputedValue, Reason> {
    let (bytes, from_pod_limit) = match limit {
        Limit::Own(bytes) => (bytes, false),
        Limit::FromPod(bytes) => (bytes, true),
        Limit::None => return Err(Reason::NoMemoryLimit),
        Limit::Shared => return Err(Reason::SharedPodLimit),
        Limit::Invalid => return Err(Reason::InvalidLimit),
    };
    if bytes < precedence.min_limit().0 {
        return Err(Reason::BelowMinimum);
    }
    let mut levels = Levels::default();
    let wanted = levels.note(Setting::Value, precedence.first(|set| set.value, |defaults| defaults.value));
    let not_tracked = match wanted {
        ValueKind::Literal => None,
        ValueKind::Track => not_tracked(container, limit, own),
    };
    let kind = if not_tracked.is_some() { ValueKind::Literal } else { wanted };
    let ratio = levels.note(Setting::Ratio, precedence.first(|set| set.ratio, |defaults| defaults.ratio));
    let mut recipe = Recipe { ratio, ..Recipe::default() };
    let value = match kind {
        ValueKind::Track => formula::tracking_value(bytes),
        ValueKind::Literal => {
            let headroom = precedence.headroom(bytes, &label, warnings);
            recipe.headroom = levels.note(Setting::Headroom, headroom);
            recipe.bytes(bytes).ok_or(Reason::BelowMinimum)?
        }
    };
    Ok(ComputedValue { bytes: value, limit: bytes, from_pod_limit, kind, not_tracked, recipe, levels })
}

/// The reason for a literal value instead of one that tracks.
fn not_tracked(container: &Container<'_>, limit: Limit, own: Option<&OwnedValue>) -> Option<NotTracked> {
    let is_own_variable = own.is_some_and(|own| own.source.kind() == ValueKind::Track);
    match limit.own_bytes() {
        None => Some(NotTracked::NoOwnLimit),
        Some(bytes) if !formula::is_trackable(bytes) => Some(NotTracked::OddLimit),
        Some(_) if container.env.mib != MibVariable::Absent && !is_own_variable => {
            Some(NotTracked::VariableTaken)
        }
        Some(_) => None,
    }
}
