//! The reviews that are sent: real ones of an API server, and parts of a large one.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// A name, and the file that is sent.
pub struct Review {
    pub name: &'static str,
    pub path: std::path::PathBuf,
}

const SMALL: &str = "001-create-limit-1gi.json";
const GOLDEN: &str = "crates/core/tests/golden/reviews";

/// Writes them to `folder`.
pub fn write(folder: &Path) -> Result<Vec<Review>> {
    let small = read(SMALL)?;
    let huge = read("054-create-huge-40-containers-60-env.json")?;
    let texts = [
        ("3 KB", small),
        ("12 KB", with_containers(&huge, 1)?),
        ("100 KB", with_containers(&huge, 11)?),
        ("534 KB", huge),
    ];
    let mut reviews = Vec::new();
    for (name, text) in texts {
        let path = folder.join(format!("{}.json", name.replace(' ', "")));
        std::fs::write(&path, text)?;
        reviews.push(Review { name, path });
    }
    Ok(reviews)
}

/// The small one, of a pod in this namespace.
pub fn small_in(namespace: &str, folder: &Path) -> Result<Review> {
    let mut review: Value = serde_json::from_str(&read(SMALL)?)?;
    review["request"]["namespace"] = namespace.into();
    review["request"]["object"]["metadata"]["namespace"] = namespace.into();
    let path = folder.join("small.json");
    std::fs::write(&path, review.to_string())?;
    Ok(Review { name: "3 KB", path })
}

fn read(name: &str) -> Result<String> {
    let path = Path::new(GOLDEN).join(name);
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// The same pod with this number of its containers, also in what the API server keeps about its fields, and without the copy
/// of it that kubectl keeps in an annotation.
fn with_containers(review: &str, count: usize) -> Result<String> {
    let mut review: Value = serde_json::from_str(review)?;
    let containers = review.pointer_mut("/request/object/spec/containers").and_then(Value::as_array_mut);
    let containers = containers.context("the review has no containers")?;
    let gone: Vec<String> = containers
        .drain(count..)
        .filter_map(|container| Some(format!("k:{{\"name\":{}}}", container.get("name")?)))
        .collect();
    let annotations =
        review.pointer_mut("/request/object/metadata/annotations").and_then(Value::as_object_mut);
    let copy = annotations.and_then(|all| all.remove("kubectl.kubernetes.io/last-applied-configuration"));
    copy.context("kubectl has kept no copy")?;
    let fields = "/request/object/metadata/managedFields/0/fieldsV1/f:spec/f:containers";
    let fields = review.pointer_mut(fields).and_then(Value::as_object_mut);
    let fields = fields.context("the review has no managed fields")?;
    for container in &gone {
        fields.remove(container).context("a container without managed fields")?;
    }
    Ok(review.to_string())
}

#[cfg(test)]
mod tests {
    #[test]
    #[allow(clippy::unwrap_used)]
    fn reviews_have_the_sizes_of_their_names() {
        std::env::set_current_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for review in super::write(folder.path()).unwrap() {
            let bytes = std::fs::metadata(&review.path).unwrap().len();
            let named: u64 = review.name.trim_end_matches(" KB").parse().unwrap();
            assert!((named * 800..named * 1200).contains(&bytes), "{}: {bytes}", review.name);
        }
    }
}
