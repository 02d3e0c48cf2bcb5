//! The pages list the kinds that have pods, as the table in the code has them.

use gomemlimit_manifest::WorkloadKind;

use super::{INJECT, README};

const ACCESS: &str = include_str!("../../docs/access.md");

/// A cell of a table, or none.
fn cell(text: &str) -> String {
    if text.is_empty() { " ".to_owned() } else { format!(" {text} ") }
}

#[test]
fn the_page_on_access_lists_the_types() {
    let rows = WorkloadKind::ALL.iter().map(|kind| {
        let short = kind.short_names.first().map_or_else(String::new, |name| format!("`{name}`"));
        format!("| `{}` |{}|\n", kind.resource(), cell(&short))
    });
    let rows: String = rows.collect();
    assert!(ACCESS.contains(&rows), "docs/access.md lacks\n{rows}");
}

#[test]
fn the_pages_name_the_kinds_of_kubernetes() {
    let made = WorkloadKind::ALL.iter().filter(|kind| kind.is_built_in() && kind.name != "PodTemplate");
    let names = made.map(|kind| format!("{}s", kind.name)).collect::<Vec<_>>().join(", ");
    for text in [README, INJECT] {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(&format!("{names} and Lists")), "{names}");
    }
}

#[test]
fn the_page_on_inject_lists_the_kinds_with_their_paths() {
    let rows = WorkloadKind::ALL.iter().map(|kind| {
        let group = if kind.group.is_empty() { "core".to_owned() } else { format!("`{}`", kind.group) };
        let paths = kind.templates.iter().map(|template| match template.path {
            "" => "the object itself".to_owned(),
            path => format!("`{path}`"),
        });
        let mut paths = paths.collect::<Vec<_>>().join("<br>");
        if kind.has_objects() {
            paths.push_str("those of each of `objects`");
        }
        let mut owners: Vec<_> =
            kind.templates.iter().map(|template| template.pods_owner.unwrap_or_default()).collect();
        if owners.iter().all(|owner| Some(owner) == owners.first()) {
            owners.truncate(1);
        }
        format!("| `{}` | {group} | {paths} |{}|\n", kind.name, cell(&owners.join("<br>")))
    });
    let rows: String = rows.collect();
    assert!(INJECT.contains(&rows), "docs/inject.md lacks\n{rows}");
    for kind in WorkloadKind::ALL {
        for group in kind.old_groups {
            let place = if group.is_empty() { "the core group of OpenShift 3 has" } else { group };
            let page = INJECT.split("Of older versions, ").nth(1).unwrap().split("\n\n").next().unwrap();
            assert!(
                page.contains(place) && page.contains(&format!("{}s", kind.name)),
                "{}: {group}",
                kind.name
            );
        }
    }
}
