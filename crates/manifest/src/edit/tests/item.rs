//! Items of lists: inserted before others, replaced as a whole, removed.

use proptest::prelude::*;

use super::*;

fn remove(path: &str) -> Edit {
    edit(path, Change::Remove)
}

fn set(path: &str) -> Edit {
    edit(path, Change::Replace(variable()))
}

const BLOCK: &str = "\
env:
  # the port
  - name: PORT
    value: '8080' # as ever
  # how much
  - name: GOMEMLIMIT # from the limit
    valueFrom:
      resourceFieldRef: {resource: limits.memory}
  # the last one
  - name: LAST
    value: |
      a
      b
other: 1
";

#[test]
fn a_block_item_is_replaced_with_what_belongs_to_it() {
    let after = BLOCK.replace(
        "name: GOMEMLIMIT # from the limit\n    valueFrom:\n      resourceFieldRef: {resource: limits.memory}\n",
        "name: GOMEMLIMIT\n    value: \"966367641\"\n",
    );
    check(BLOCK, &[set("/env/1")], &after);
    check(&windows(BLOCK), &[set("/env/1")], &windows(&after));
}

#[test]
fn a_block_item_goes_before_another() {
    let after = BLOCK.replace(
        "  - name: GOMEMLIMIT #",
        "  - name: GOMEMLIMIT\n    value: \"966367641\"\n  - name: GOMEMLIMIT #",
    );
    check(BLOCK, &[add("/env/1", variable())], &after);
    let after =
        BLOCK.replace("  - name: PORT", "  - name: GOMEMLIMIT\n    value: \"966367641\"\n  - name: PORT");
    check(BLOCK, &[add("/env/0", variable())], &after);
}

#[test]
fn the_dash_of_an_item_may_be_on_a_line_of_its_own() {
    for dash in ["-", "- # the first", "-\n\n    # of all", "- &a # the first"] {
        let before = format!(
            "env:\n  # ports\n  {dash}\n    name: PORT\n    value: a\n  -\n    name: LAST\nother: 1\n"
        );
        let first = "env:\n  # ports\n  - name: GOMEMLIMIT\n    value: \"966367641\"\n  ";
        check(&before, &[add("/env/0", variable())], &before.replace("env:\n  # ports\n  ", first));
        let last = before.replace("  -\n    name: LAST\n", "");
        check(&before, &[remove("/env/1")], &last);
        check(&before, &[remove("/env/0")], "env:\n  # ports\n  -\n    name: LAST\nother: 1\n");
    }
}

#[test]
fn block_items_are_taken_out_one_after_the_other() {
    let middle = "  - name: GOMEMLIMIT # from the limit\n    valueFrom:\n      resourceFieldRef: {resource: limits.memory}\n";
    let last = "  - name: LAST\n    value: |\n      a\n      b\n";
    check(BLOCK, &[remove("/env/1")], &BLOCK.replace(middle, ""));
    let both = BLOCK.replace(last, "").replace(middle, "");
    check(BLOCK, &[remove("/env/2"), remove("/env/1")], &both);
    check(BLOCK, &[remove("/env/1"), remove("/env/1")], &both);
}

#[test]
fn at_the_end_of_a_file_without_a_line_break() {
    check("a:\n- b: 1\n- c: 2", &[remove("/a/1")], "a:\n- b: 1");
    check("a:\r\n- b: 1\r\n- c: 2\r\n", &[remove("/a/1")], "a:\r\n- b: 1\r\n");
}

/// The edits of a repair that tracks: positions move, so that edits wait for each other.
#[test]
fn edits_of_one_list_see_each_other() {
    let before = "env:\n- name: X\n- {name: G, value: 1}\n- name: Y\n- name: G\n- name: G\n";
    let edits = [
        edit("/env/1", Change::Replace(json!({"name": "G", "value": "t"}))),
        remove("/env/4"),
        remove("/env/3"),
        add("/env/1", json!({"name": "M"})),
        replace("/env/2/value", "u"),
    ];
    check(before, &edits, "env:\n- name: X\n- {name: M}\n- {name: G, value: \"u\"}\n- name: Y\n");
}

#[test]
fn flow_items() {
    let line = "env: [{name: A}, {name: B}, {name: C}] # c\n";
    check(line, &[remove("/env/0")], "env: [{name: B}, {name: C}] # c\n");
    check(line, &[remove("/env/1")], "env: [{name: A}, {name: C}] # c\n");
    check(line, &[remove("/env/2")], "env: [{name: A}, {name: B}] # c\n");
    check(
        line,
        &[add("/env/1", json!({"name": "M"}))],
        "env: [{name: A}, {name: M}, {name: B}, {name: C}] # c\n",
    );
    check(
        line,
        &[edit("/env/1", Change::Replace(json!({"name": "M"})))],
        "env: [{name: A}, {name: M}, {name: C}] # c\n",
    );

    let json = "{\n  \"env\": [\n    {\n      \"name\": \"A\"\n    },\n    {\n      \"name\": \"B\"\n    }\n  ]\n}\n";
    let item = |name: &str| format!("    {{\n      \"name\": \"{name}\"\n    }}");
    let list = |items: &[&str]| {
        let items: Vec<_> = items.iter().map(|name| item(name)).collect();
        format!("{{\n  \"env\": [\n{}\n  ]\n}}\n", items.join(",\n"))
    };
    assert_eq!(json, list(&["A", "B"]));
    check(json, &[remove("/env/0")], &list(&["B"]));
    check(json, &[remove("/env/1")], &list(&["A"]));
    check(json, &[add("/env/1", json!({"name": "M"}))], &list(&["A", "M", "B"]));
    check(json, &[edit("/env/0", Change::Replace(json!({"name": "M"})))], &list(&["M", "B"]));
}

#[test]
fn what_is_shared_or_alone_stays() {
    let refuse = |source: &str, edit: Edit, message: &str| {
        let error = edited(source, &[edit]).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    };
    check("a: [&x {b: 1}, 2]\nc: *x\n", &[remove("/a/0")], "a: [2]\nc: {b: 1}\n");
    check("a: [2, &x {b: 1}]\nc: *x\n", &[remove("/a/0")], "a: [&x {b: 1}]\nc: *x\n");
    check("a: [&x {b: 1}]\nc: *x\n", &[add("/a/0", json!(2))], "a: [2, &x {b: 1}]\nc: *x\n");
    check("a:\n- &x\n  b: 1\n- 3\nc: *x\n", &[add("/a/0", json!(2))], "a:\n- 2\n- &x\n  b: 1\n- 3\nc: *x\n");
    check(
        "a: [&x {b: 1}, 2]\nc: *x\n",
        &[set("/a/0")],
        "a: [&x {name: GOMEMLIMIT, value: \"966367641\"}, 2]\nc: {b: 1}\n",
    );
    check("a:\n- b: &x 1\n- 2\nc: *x\n", &[remove("/a/0")], "a:\n- 2\nc: 1\n");
    refuse("a: [1]\n", remove("/a/0"), "the only item");
    check("a:\n-\n  b: 1\n- c: 2\n", &[remove("/a/0")], "a:\n- c: 2\n");
    refuse("- - a\n  - b\n", remove("/0/0"), "the dash");
}

/// Forms of an item; `^` is the indentation of its lines.
const ITEMS: [&str; 6] = [
    "name: A",
    "name: A # c\n^value: '1'",
    "{name: A, value: '1'} # c",
    "name: A\n^value: |\n^  x: [\n\n^  # no comment\n",
    "name: A\n^# inside\n^valueFrom:\n^- {a: b}",
    "\"name\": \"A\"\n^# at its end",
];

prop_compose! {
    fn list()(
        items in prop::collection::vec(0..ITEMS.len(), 2..5),
        (dash, gap) in (0..4usize, 1..4usize),
        (comments, windows, last_break, more) in any::<(bool, bool, bool, bool)>(),
    ) -> String {
        let mut lines = vec!["env:".to_owned()];
        for item in items {
            if comments {
                lines.push(format!("{}# outside", " ".repeat(dash)));
            }
            let text = ITEMS[item].replace('^', &" ".repeat(dash + 1 + gap));
            lines.push(format!("{}-{}{text}", " ".repeat(dash), " ".repeat(gap)));
        }
        if more {
            lines.push("more: 1".to_owned());
        }
        let text = lines.join("\n") + if last_break || more { "\n" } else { "" };
        if windows { super::windows(&text) } else { text }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    /// `apply` compares the values of the result with the expected ones; here it is enough that it never refuses.
    #[test]
    fn every_style_of_list_can_be_edited(text in list(), place in 0..2usize, what in 0..3usize) {
        let path = format!("/env/{place}");
        let edit = [add(&path, variable()), set(&path), remove(&path)][what].clone();
        let after = edited(&text, &[edit]);
        prop_assert!(after.is_ok(), "{}\n{}", after.unwrap_err(), text);
        let after = after.unwrap();
        prop_assert_eq!(after.matches("# outside").count(), text.matches("# outside").count());
        prop_assert!(!text.contains('\r') || !after.replace("\r\n", "").contains('\n'));
    }
}
