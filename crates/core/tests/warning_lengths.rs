//! Bounds of the warnings of one response, within which every sentence keeps its advice.

use gomemlimit_core::{NamespaceAnnotations, Policy, Settings, settings::Repair};
use serde_json::{Value, json};

use crate::support::{answer, answer_in, review_of};

/// `count` containers with names as long as Kubernetes allows, and with this value of GOMEMLIMIT, twice.
fn long_names(count: usize, value: &str) -> Vec<Value> {
    let entry = json!({"name": "GOMEMLIMIT", "value": value});
    (0..count).map(|i| json!({"name": format!("{i:0>63}"), "env": [entry, entry]})).collect()
}

fn malformed_values(count: usize) -> Vec<String> {
    let pod = json!({"spec": {"containers": long_names(count, &"x".repeat(100))}});
    answer(&review_of(&pod)).warnings
}

#[test]
fn warnings_within_the_total_are_passed_on_whole() {
    let warnings = malformed_values(13);
    assert_eq!(warnings.len(), 13);
    assert!(warnings.iter().all(|text| text.chars().count() > 256));
    for (i, warning) in warnings.iter().enumerate() {
        assert!(warning.starts_with(&format!("container \"{i:0>63}\": GOMEMLIMIT=\"xxx")), "{warning}");
        assert!(warning.ends_with("; write bytes or MiB"), "{warning}");
    }
}

#[test]
fn warnings_above_the_total_lose_the_ends_of_names_and_never_the_advice() {
    let warnings = malformed_values(30);
    assert!(warnings.len() > 15, "{}", warnings.len());
    for warning in warnings {
        assert!(warning.contains("0…\": GOMEMLIMIT=\"xxx"), "{warning}");
        assert!(warning.ends_with("; write bytes or MiB"), "{warning}");
        assert!(warning.chars().count() <= 256, "{warning}");
    }
}

/// The sentence is the longest that there is.
#[test]
fn every_sentence_fits_beside_a_short_name() {
    let containers = long_names(30, &"x".repeat(100));
    let pod = json!({"spec": {"resources": {"limits": {"memory": "1Gi"}}, "containers": containers}});
    let defaults = Settings { repair: Repair::Fix, ..Settings::default() };
    let policy = Policy { defaults, ..Policy::default() };
    let warnings = answer_in(&review_of(&pod), &NamespaceAnnotations::new(), &policy).warnings;
    assert!(warnings.len() > 15, "{}", warnings.len());
    for warning in warnings {
        assert!(warning.ends_with("not repaired: the pod-level limit is shared by several containers; give each a limit of its own"), "{warning}");
    }
}
