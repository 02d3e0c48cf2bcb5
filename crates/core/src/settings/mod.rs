//! Settings: their names, levels, values and defaults. The table of them is in `table.rs`.

pub(crate) mod annotations;
mod builtin;
pub(crate) mod layer;
pub(crate) mod level;
pub(crate) mod precedence;
pub(crate) mod rule;
pub(crate) mod rules;
pub(crate) mod table;
pub(crate) mod types;
pub(crate) mod words;

pub use self::{
    annotations::NamespaceAnnotations,
    builtin::{BUILT_IN, BuiltIn},
    level::{Level, Levels},
    rules::Rules,
    table::{Engines, Setting, Settings},
    types::{Form, SettingError},
    words::{EnvFrom, InitContainers, Mode, Repair, UnknownWord, ValueKind, Words},
};
