//! References of a heap profile resolved: indices and ids become stacks of frames.

use std::{collections::HashMap, sync::Arc};

use crate::{
    error::ProfileError,
    profile::Profile,
    stack_pool::StackPool,
    stacks::{Frame, Values},
    text::printable,
    wire::{Function, MAX_FRAMES, MAX_STACK, RawProfile, ValueType, bounded, malformed},
};

/// The profile; its stacks are added to those of the run.
pub(crate) fn resolve(raw: &RawProfile<'_>, pool: &mut StackPool) -> Result<Profile, ProfileError> {
    let columns = Columns::find(raw)?;
    // A young program may have no sample yet; one without a rate never will.
    if raw.samples.is_empty() && raw.period == 0 {
        return Err(ProfileError::NoSamples);
    }
    let locations = resolve_locations(raw)?;
    let by_id = index(raw.locations.iter().map(|location| location.id), "location")?;
    pool.reserve(raw.samples.len())?;
    let mut samples = Vec::with_capacity(raw.samples.len());
    let (mut stack, mut frames): (Vec<Frame>, usize) = (Vec::new(), 0);
    for sample in &raw.samples {
        if sample.values.len() != raw.sample_types.len() {
            return Err(malformed("a sample has fewer or more values than there are types"));
        }
        stack.clear();
        for id in &sample.location_ids {
            let location = by_id.get(id).and_then(|at| locations.get(*at));
            stack.extend_from_slice(
                location.ok_or_else(|| malformed("a sample refers to a location that is missing"))?,
            );
            // A location has many lines if calls were inlined, and many samples name it.
            bounded(stack.len(), MAX_STACK, "frames in one stack")?;
        }
        frames = frames.saturating_add(stack.len());
        bounded(frames, MAX_FRAMES, "frames")?;
        samples.push((pool.stack(&stack)?, columns.read(&sample.values)));
    }
    Ok(Profile { time_nanos: raw.time_nanos, rate: raw.period, samples })
}

/// Column of each value.
#[derive(Default)]
struct Columns {
    alloc_objects: Option<usize>,
    alloc_space: Option<usize>,
    inuse_objects: Option<usize>,
    inuse_space: Option<usize>,
}

impl Columns {
    fn find(raw: &RawProfile<'_>) -> Result<Self, ProfileError> {
        let mut columns = Self::default();
        let mut names = Vec::new();
        for (at, ValueType { kind, unit }) in raw.sample_types.iter().enumerate() {
            let (kind, unit) = (string(raw, *kind)?, string(raw, *unit)?);
            names.push(format!("{}/{}", short(kind), short(unit)));
            match (kind, unit) {
                ("alloc_objects", "count") => columns.alloc_objects = Some(at),
                ("alloc_space", "bytes") => columns.alloc_space = Some(at),
                ("inuse_objects", "count") => columns.inuse_objects = Some(at),
                ("inuse_space", "bytes") => columns.inuse_space = Some(at),
                _ => {}
            }
        }
        match (columns.inuse_space, names.is_empty()) {
            (Some(_), _) => Ok(columns),
            (None, true) => Err(malformed("it names no sample type")),
            (None, false) => Err(ProfileError::OtherType(names.join(", "))),
        }
    }

    fn read(&self, values: &[i64]) -> Values {
        let at = |column: Option<usize>| column.and_then(|at| values.get(at)).copied().unwrap_or(0);
        Values {
            alloc_objects: at(self.alloc_objects),
            alloc_space: at(self.alloc_space),
            inuse_objects: at(self.inuse_objects),
            inuse_space: at(self.inuse_space),
        }
    }
}

/// Short enough for a sentence.
fn short(text: &str) -> String {
    printable(text).chars().take(40).collect()
}

fn string<'a>(raw: &RawProfile<'a>, at: i64) -> Result<&'a str, ProfileError> {
    let at = usize::try_from(at).ok();
    let text = at.and_then(|at| raw.strings.get(at)).copied();
    text.ok_or_else(|| malformed("it refers to a string that is missing"))
}

/// Position by id. Ids are unique and not zero.
fn index(ids: impl Iterator<Item = u64>, what: &str) -> Result<HashMap<u64, usize>, ProfileError> {
    let mut by_id = HashMap::new();
    for (at, id) in ids.enumerate() {
        if id == 0 || by_id.insert(id, at).is_some() {
            return Err(malformed(&format!("the id of a {what} is zero or occurs twice")));
        }
    }
    Ok(by_id)
}

fn resolve_locations(raw: &RawProfile<'_>) -> Result<Vec<Vec<Frame>>, ProfileError> {
    // One allocation for each name, however many lines refer to it.
    let mut shared: HashMap<&str, Arc<str>> = HashMap::new();
    let mut share = |text| Arc::clone(shared.entry(text).or_insert_with(|| Arc::from(&*printable(text))));
    let functions = index(raw.functions.iter().map(|function| function.id), "function")?;
    let mappings = index(raw.mappings.iter().map(|mapping| mapping.id), "mapping")?;
    let mut locations = Vec::with_capacity(raw.locations.len());
    for location in &raw.locations {
        let binary = match mappings.get(&location.mapping_id).and_then(|at| raw.mappings.get(*at)) {
            Some(mapping) => string(raw, mapping.filename)?,
            None => "",
        };
        let mut frames = Vec::with_capacity(location.lines.len().max(1));
        for line in &location.lines {
            let function = match line.function_id {
                0 => &Function::default(),
                id => functions
                    .get(&id)
                    .and_then(|at| raw.functions.get(*at))
                    .ok_or_else(|| malformed("a location refers to a function that is missing"))?,
            };
            let (name, file) = (string(raw, function.name)?, string(raw, function.filename)?);
            let function = if name.is_empty() { Arc::from(unnamed(binary)) } else { share(name) };
            frames.push(Frame::new(function, share(file), line.line));
        }
        if frames.is_empty() {
            frames.push(Frame::new(Arc::from(unnamed(binary)), share(""), 0));
        }
        locations.push(frames);
    }
    Ok(locations)
}

/// Name of code without symbols, as in `go tool pprof` (`internal/graph/graph.go`, `NameComponents`).
fn unnamed(binary: &str) -> String {
    let base = printable(binary.rsplit('/').next().unwrap_or_default());
    if base.is_empty() { "<unknown>".to_owned() } else { format!("[{base}]") }
}
