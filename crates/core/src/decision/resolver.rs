//! The text of a variable, as kubelet resolves it.

use std::borrow::Cow;

use crate::{
    names::LIMITS_MEMORY,
    pod::{
        containers::{Container, Spec},
        env::{EnvVar, ResourceFieldRef, TooLong},
        expansion::{Piece, pieces},
        resources::QuantityText,
    },
    quantity::{self, QuantityError},
    value::limit::{Limit, PodLimits},
};

/// The reason for a `$(NAME)` that kubelet leaves as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unexpanded {
    /// No variable of the name is defined before it.
    Undefined,
    /// It is written as `$$(NAME)`.
    Escaped,
}

/// The reason for a variable whose text is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unresolved {
    NodeSize,
    Unknown,
}

/// Maximum number of references that are followed for one value.
const MAX_REFERENCES: usize = 4;
/// Maximum length of an expanded value, in bytes.
const MAX_EXPANDED: usize = 256;

/// The text that kubelet turns into `$(`.
const ESCAPED: &str = "$$(";

/// Finds the text of a variable as kubelet does (`makeEnvironmentVariables` in
/// `k8s.io/kubernetes/pkg/kubelet/kubelet_pods.go`): in the order of env, so that only earlier entries are expanded.
pub(crate) struct Resolver<'p, 'a> {
    spec: &'p Spec<'a>,
    limits: &'p PodLimits,
    container: &'p Container<'a>,
    references: usize,
    /// The reason for a reference that was left as it is; [`Unexpanded::Undefined`] is stronger.
    unexpanded: Option<Unexpanded>,
}

impl<'p, 'a> Resolver<'p, 'a> {
    pub(crate) fn new(spec: &'p Spec<'a>, limits: &'p PodLimits, container: &'p Container<'a>) -> Self {
        Self { spec, limits, container, references: 0, unexpanded: None }
    }

    /// The reason for a `$(NAME)` that was left as it is, if one was.
    pub(crate) fn unexpanded(&self) -> Option<Unexpanded> {
        self.unexpanded
    }

    /// The text of the entry with the index `index`.
    pub(crate) fn resolve(&mut self, index: usize, entry: &EnvVar<'a>) -> Result<Cow<'a, str>, Unresolved> {
        if let Some(source) = &entry.value_from {
            let reference = source.resource_field_ref.as_ref().ok_or(Unresolved::Unknown)?;
            return self.resource(reference).map(|amount| amount.to_string().into());
        }
        let text = entry.value.clone().unwrap_or_default().0;
        if !text.contains('$') {
            return Ok(text);
        }
        if text.contains(ESCAPED) {
            self.unexpanded.get_or_insert(Unexpanded::Escaped);
        }
        let mut expanded = String::new();
        for piece in pieces(&text) {
            match piece {
                Piece::Text(text) => expanded.push_str(text),
                Piece::Reference(name) => expanded += &self.reference(index, name)?,
            }
            if expanded.len() > MAX_EXPANDED {
                return Err(Unresolved::Unknown);
            }
        }
        Ok(expanded.into())
    }

    /// The text of `$(name)` in the value of the entry with the index `index`.
    fn reference(&mut self, index: usize, name: &str) -> Result<Cow<'a, str>, Unresolved> {
        self.references += 1;
        if self.references > MAX_REFERENCES {
            return Err(Unresolved::Unknown);
        }
        match self.container.env.last_before(index, name).map_err(|TooLong| Unresolved::Unknown)? {
            Some((index, entry)) => self.resolve(index, &entry),
            None if self.container.may_be_defined_elsewhere(name) => Err(Unresolved::Unknown),
            // It stays as it is.
            None => {
                self.unexpanded = Some(Unexpanded::Undefined);
                Ok(format!("$({name})").into())
            }
        }
    }

    /// The amount that the downward API gives (`ExtractContainerResourceValue` in `k8s.io/kubernetes/pkg/api/v1/resource`).
    fn resource(&self, reference: &ResourceFieldRef<'a>) -> Result<u64, Unresolved> {
        let name = reference.container_name.as_deref().unwrap_or_default();
        let mut all = self.spec.all_containers();
        let container =
            if name.is_empty() { Some(self.container) } else { all.find(|one| *one.name == *name) };
        let container = container.ok_or(Unresolved::Unknown)?;
        let known = |amount: Option<u64>| amount.ok_or(Unresolved::Unknown);
        let read = |text: Option<QuantityText<'_>>, parse: fn(&str) -> Result<u64, QuantityError>| {
            known(text.map_or(Ok(0), |text| parse(&text.0)).ok())
        };
        let resources = &container.resources;
        // A CPU or storage limit that is not set is the node's, which is not known.
        let is_set = |amount: &u64| *amount > 0;
        let (amount, divisor) = match &*reference.resource {
            LIMITS_MEMORY => match self.limits.downward(container) {
                Limit::Own(bytes) => (bytes, reference.divisor()),
                Limit::None => return Err(Unresolved::NodeSize),
                _ => return Err(Unresolved::Unknown),
            },
            "requests.memory" => (read(resources.request("memory"), quantity::parse)?, reference.divisor()),
            "requests.cpu" => {
                (read(resources.request("cpu"), quantity::parse_milli)?, reference.milli_divisor())
            }
            "limits.cpu" => {
                let milli = read(resources.limit("cpu"), quantity::parse_milli)?;
                (known(Some(milli).filter(is_set))?, reference.milli_divisor())
            }
            "requests.ephemeral-storage" => {
                (read(resources.request("ephemeral-storage"), quantity::parse)?, reference.divisor())
            }
            "limits.ephemeral-storage" => {
                let bytes = read(resources.limit("ephemeral-storage"), quantity::parse)?;
                (known(Some(bytes).filter(is_set))?, reference.divisor())
            }
            _ => return Err(Unresolved::Unknown),
        };
        Ok(amount.div_ceil(known(divisor)?))
    }
}
