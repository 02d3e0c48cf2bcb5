//! Volumes in memory: `emptyDir` with `medium: Memory`. Pages that a container writes there count against its memory
//! limit, and the Go runtime does not know of them.
//!
//! A page counts for the container that writes it, so all of a shared volume may count for each of several containers,
//! and nothing of it for one that mounts it read-only. Huge pages (`medium: HugePages`) have a limit of their own.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    json::{self, Object, text::Text},
    pod::{
        containers::{Container, Spec},
        resources::QuantityText,
    },
    quantity,
    quote::quote,
    settings::ValueKind,
    units::{self, human},
    value::formula::headroom_fits,
};

/// Maximum number of volumes in memory of a pod that are looked at.
const MAX_VOLUMES: usize = 100;

/// The volumes in memory of a pod.
#[derive(Debug, Default)]
pub(crate) struct MemoryVolumes<'a>(Vec<MemoryVolume<'a>>);

#[derive(Debug)]
struct MemoryVolume<'a> {
    name: Text<'a>,
    /// `sizeLimit` in bytes. Without it, or with one that is zero, the volume can take all memory that the pod has
    /// (`calculateEmptyDirMemorySize` in `k8s.io/kubernetes/pkg/volume/emptydir`).
    size: Option<u64>,
}

impl<'a> MemoryVolumes<'a> {
    /// Those of the pod. A volume of a shape that is not known is passed by.
    pub(crate) fn read(spec: &Spec<'a>) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Volume<'a> {
            #[serde(borrow, deserialize_with = "json::or_default")]
            name: Text<'a>,
            #[serde(borrow, deserialize_with = "json::object_or_default")]
            empty_dir: EmptyDir<'a>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct EmptyDir<'a> {
            #[serde(borrow, deserialize_with = "json::or_default")]
            medium: Text<'a>,
            #[serde(borrow)]
            size_limit: Option<QuantityText<'a>>,
        }
        let mut found = Vec::new();
        each(spec.volumes.filter(|volumes| is_worth_reading(volumes)), |volume: Volume<'a>| {
            if &*volume.empty_dir.medium == "Memory" && found.len() < MAX_VOLUMES {
                let size = volume.empty_dir.size_limit.and_then(|text| quantity::parse(&text.0).ok());
                found.push(MemoryVolume { name: volume.name, size: size.filter(|bytes| *bytes > 0) });
            }
        });
        Self(found)
    }

    /// Those that `container` can write to; `None` if there are none.
    fn of(&self, container: &Container<'a>) -> Option<Mounted<'_>> {
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Mount<'a> {
            #[serde(borrow, deserialize_with = "json::or_default")]
            name: Text<'a>,
            read_only: Option<bool>,
        }
        if self.0.is_empty() {
            return None;
        }
        // Several mounts of one volume, of parts of it for instance, are still one volume.
        let mut is_mounted = vec![false; self.0.len()];
        each(container.volume_mounts, |mount: Mount<'a>| {
            let place = self.0.iter().position(|volume| volume.name == mount.name);
            if let Some(slot) = place.and_then(|place| is_mounted.get_mut(place)) {
                *slot |= mount.read_only != Some(true);
            }
        });
        let mut mounted = self.0.iter().zip(is_mounted).filter(|(_, is_mounted)| *is_mounted);
        let (first, _) = mounted.next()?;
        let zero = Mounted { first: &first.name, others: 0, size: first.size };
        Some(mounted.fold(zero, |all, (volume, _)| Mounted {
            others: all.others + 1,
            size: all.size.zip(volume.size).map(|(sum, size)| sum.saturating_add(size)),
            ..all
        }))
    }

    /// The problem if `container`, which has a GOMEMLIMIT of `value` bytes below a memory limit of `limit`, fills its
    /// volumes: nothing if that and the value are within the limit.
    pub(crate) fn excess(&self, container: &Container<'a>, value: u64, limit: u64) -> Option<Excess<'_>> {
        let mounted = self.of(container)?;
        let fits = mounted.size.is_some_and(|size| size.saturating_add(value) <= limit);
        (!fits).then_some(Excess { mounted, room: limit.saturating_sub(value), limit })
    }
}

/// Whether a list of volumes can have one in memory.
fn is_worth_reading(volumes: &RawValue) -> bool {
    volumes.get().contains("\"Memory\"")
}

/// Hands each element of a list to `take` that can be read.
fn each<'a, T: Deserialize<'a>>(list: Option<&'a RawValue>, mut take: impl FnMut(T)) {
    let Some(list) = list else { return };
    let mut list = serde_json::Deserializer::from_str(list.get());
    // The API server refuses anything that is no list.
    let _ = json::each(&mut list, "a list", |element: &'a RawValue| {
        if let Ok(Object(element)) = serde_json::from_str(element.get()) {
            take(element);
        }
        Ok(())
    });
}

/// The volumes in memory that a container can write to.
#[derive(Debug)]
struct Mounted<'v> {
    first: &'v str,
    others: usize,
    /// All sizes together; `None` if one of them has no limit.
    size: Option<u64>,
}

/// A value that leaves less room below the memory limit than the volumes in memory can take.
#[derive(Debug)]
pub(crate) struct Excess<'v> {
    mounted: Mounted<'v>,
    room: u64,
    limit: u64,
}

impl Excess<'_> {
    /// The problem, for people.
    pub(crate) fn problem(&self) -> String {
        let Mounted { first, others, size } = &self.mounted;
        let volumes = match others {
            0 => format!("the memory-backed emptyDir {} counts", quote(first)),
            1 => format!("the memory-backed emptyDir {} and another count", quote(first)),
            _ => format!("the memory-backed emptyDir {} and {others} others count", quote(first)),
        };
        let size =
            size.map_or_else(|| "no sizeLimit".to_owned(), |size| format!("sizeLimit {}", human(size)));
        let (limit, room) = (human(self.limit), human(self.room));
        format!("{volumes} against the memory limit of {limit} ({size}), of which GOMEMLIMIT leaves {room}")
    }

    /// The advice. `kind` is the kind of the value, if this program makes it.
    pub(crate) fn advice(&self, kind: Option<ValueKind>) -> String {
        match self.mounted.size {
            None => "set its sizeLimit, and leave room for it".to_owned(),
            Some(size) if !headroom_fits(self.limit, size) => {
                "lower sizeLimit, or raise the memory limit".to_owned()
            }
            Some(size) => {
                let headroom = units::quantity(size);
                let most = self.limit.saturating_sub(size);
                match kind {
                    Some(ValueKind::Literal) => format!("set headroom to {headroom}, or lower sizeLimit"),
                    // A value that tracks has no headroom.
                    Some(ValueKind::Track) => {
                        format!("set value to literal and headroom to {headroom}, or lower sizeLimit")
                    }
                    None => format!("lower GOMEMLIMIT to {most} or less, or lower sizeLimit"),
                }
            }
        }
    }
}
