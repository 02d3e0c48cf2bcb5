//! Manifests with anchors, aliases and merge keys in any mixture: the edits give the expected values, and a second run has
//! nothing to do.

use std::slice::Iter;

use proptest::prelude::*;

use super::*;

/// A value as text.
enum Text {
    Raw(String),
    List(String, bool, Vec<Text>),
    Mapping(String, bool, Vec<(&'static str, Text)>),
}

impl Text {
    /// The text after a colon or a dash; the lines of a list or mapping are indented by `indent`.
    fn block(&self, indent: usize) -> String {
        let line = format!("\n{}", " ".repeat(indent));
        match self {
            Self::List(anchor, false, items) if !items.is_empty() => {
                let items = items.iter().map(|item| {
                    let text = item.block(indent + 2);
                    let inline = matches!(item, Self::Mapping(anchor, false, _) if anchor.is_empty());
                    let text = if inline { format!(" {}", text.trim_start()) } else { text };
                    format!("{line}-{text}")
                });
                format!("{anchor}{}", items.collect::<String>())
            }
            Self::Mapping(anchor, false, pairs) if !pairs.is_empty() => {
                let pairs =
                    pairs.iter().map(|(key, value)| format!("{line}{key}:{}", value.block(indent + 2)));
                format!("{anchor}{}", pairs.collect::<String>())
            }
            other => other.flow(),
        }
    }

    fn flow(&self) -> String {
        match self {
            Self::Raw(text) => format!(" {text}"),
            Self::List(anchor, _, items) => {
                let items: Vec<_> = items.iter().map(|item| item.flow().trim_start().to_owned()).collect();
                format!("{anchor} [{}]", items.join(", "))
            }
            Self::Mapping(anchor, _, pairs) => {
                let pairs: Vec<_> =
                    pairs.iter().map(|(key, value)| format!("{key}:{}", value.flow())).collect();
                format!("{anchor} {{{}}}", pairs.join(", "))
            }
        }
    }
}

/// Makes a manifest of random choices; each anchor has the number of its kind before it.
struct Generator<'c> {
    choices: Iter<'c, u8>,
    lists: usize,
    items: usize,
    containers: usize,
    pods: usize,
}

impl Generator<'_> {
    fn pick(&mut self, below: usize) -> usize {
        usize::from(self.choices.next().copied().unwrap_or(0)) % below
    }

    /// An anchor of this kind, or none.
    fn anchor(&mut self, kind: char) -> String {
        if self.pick(2) == 0 {
            return String::new();
        }
        let count = match kind {
            'l' => &mut self.lists,
            'i' => &mut self.items,
            'c' => &mut self.containers,
            _ => &mut self.pods,
        };
        *count += 1;
        format!(" &{kind}{}", *count - 1)
    }

    fn alias(&mut self, kind: char, count: usize) -> Option<String> {
        (count > 0 && self.pick(2) == 0).then(|| format!("*{kind}{}", self.pick(count)))
    }

    fn variable(&mut self) -> Text {
        if let Some(alias) = self.alias('i', self.items) {
            return Text::Raw(alias);
        }
        let name = ["A", "B", "GOMEMLIMIT"][self.pick(3)];
        let pairs = vec![("name", Text::Raw(name.into())), ("value", Text::Raw("\"1\"".into()))];
        let anchor = self.anchor('i');
        Text::Mapping(anchor, self.pick(2) == 0, pairs)
    }

    fn list(&mut self) -> Text {
        if let Some(alias) = self.alias('l', self.lists) {
            return Text::Raw(alias);
        }
        let items = (0..self.pick(3)).map(|_| self.variable()).collect();
        let anchor = self.anchor('l');
        Text::List(anchor, self.pick(2) == 0, items)
    }

    fn container(&mut self) -> Text {
        if self.containers > 0 && self.pick(4) == 0 {
            return Text::Raw(format!("*c{}", self.pick(self.containers)));
        }
        let mut pairs = Vec::new();
        if self.pick(3) == 0 {
            pairs.push(("image", Text::Raw("x".into())));
        }
        let merge = match self.pick(3) {
            _ if self.containers == 0 => None,
            0 => None,
            1 => Some(Text::Raw(format!("*c{}", self.pick(self.containers)))),
            _ => {
                let of = [self.pick(self.containers), self.pick(self.containers)];
                Some(Text::Raw(format!("[*c{}, *c{}]", of[0], of[1])))
            }
        };
        let has_merge = merge.is_some();
        let first = self.pick(3) > 0;
        let (before, after) = if first { (merge, None) } else { (None, merge) };
        pairs.extend(before.map(|merge| ("<<", merge)));
        if !has_merge || self.pick(2) == 0 {
            pairs.push(("name", Text::Raw("app".into())));
        }
        if self.pick(3) > usize::from(!has_merge) {
            pairs.push(("env", self.list()));
        }
        pairs.extend(after.map(|merge| ("<<", merge)));
        let anchor = self.anchor('c');
        Text::Mapping(anchor, self.pick(3) == 0, pairs)
    }

    fn pod(&mut self) -> Text {
        if let Some(alias) = self.alias('p', self.pods) {
            return Text::Raw(alias);
        }
        let containers = (0..=self.pick(3)).map(|_| self.container()).collect();
        let mut pairs = Vec::new();
        if self.pick(2) == 0 {
            pairs.push(("metadata", Text::Mapping(String::new(), self.pick(2) == 0, Vec::new())));
        }
        pairs.push(("containers", Text::List(String::new(), self.pick(3) == 0, containers)));
        let anchor = self.anchor('p');
        Text::Mapping(anchor, false, pairs)
    }

    fn manifest(&mut self) -> String {
        let mut pairs = Vec::new();
        if self.pick(2) == 0 {
            pairs.push(("x-list", self.list()));
        }
        if self.pick(2) == 0 {
            pairs.push(("x-container", self.container()));
        }
        let pods = (0..=self.pick(3)).map(|_| self.pod()).collect();
        pairs.push(("items", Text::List(String::new(), false, pods)));
        Text::Mapping(String::new(), false, pairs).block(0).trim_start().to_owned() + "\n"
    }
}

/// The edits that give each container the value that `value` chooses, and each pod an annotation of it.
fn edits(manifest: &Value, mut value: impl FnMut() -> u8) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (item, pod) in manifest["items"].as_array().unwrap().iter().enumerate() {
        for (index, container) in pod["containers"].as_array().unwrap().iter().enumerate() {
            let chosen = value() % 4;
            let variable = json!({"name": "GOMEMLIMIT", "value": chosen.to_string()});
            let path = format!("/items/{item}/containers/{index}/env");
            let env = container["env"].as_array().map_or(&[][..], Vec::as_slice);
            let own = env.iter().position(|variable| variable["name"] == "GOMEMLIMIT");
            match own {
                _ if chosen == 0 => {}
                None if env.is_empty() => edits.push(add(&path, json!([variable]))),
                None => edits.push(add(&format!("{path}/{}", if chosen == 3 { "0" } else { "-" }), variable)),
                Some(own) if env[own]["value"] != variable["value"] => {
                    let replace = match chosen {
                        1 => edit(&format!("{path}/{own}"), Change::Replace(variable)),
                        _ => edit(&format!("{path}/{own}/value"), Change::Replace(variable["value"].clone())),
                    };
                    edits.push(replace);
                    let next = own + 1;
                    if chosen == 3 && next < env.len() {
                        edits.push(edit(&format!("{path}/{next}"), Change::Remove));
                    }
                }
                Some(_) => {}
            }
        }
        let status = json!((value() % 2).to_string());
        if pod["metadata"]["annotations"]["status"] != status {
            edits.push(add(&format!("/items/{item}/metadata/annotations/status"), status));
        }
    }
    edits
}

/// Without what Kubernetes does not read.
fn objects(manifest: &Value) -> &Value {
    &manifest["items"]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shared_values_get_the_edits_of_each_place(
        choices in prop::collection::vec(any::<u8>(), 100),
        values in prop::collection::vec(any::<u8>(), 40),
    ) {
        let mut generator = Generator { choices: choices.iter(), lists: 0, items: 0, containers: 0, pods: 0 };
        let before = generator.manifest();
        let Ok(documents) = parse(&before) else { return Err(TestCaseError::fail(before)) };
        let chosen = || {
            let mut values = values.iter();
            move || values.next().copied().unwrap_or(0)
        };
        let mut expected = documents[0].value.clone();
        let edits_once = edits(&expected, chosen());
        for edit in &edits_once {
            pointer::apply(&mut expected, edit, 1).unwrap();
        }
        match super::super::edit(&before, &documents[0], &edits_once) {
            Ok(edited) => {
                let after = parse(&edited.text).unwrap().remove(0).value;
                prop_assert_eq!(objects(&after), objects(&expected), "{}\n{}", before, edited.text);
                let again = edits(&after, chosen());
                prop_assert!(again.is_empty(), "{}\n{}\n{:?}", before, edited.text, again);
            }
            Err(error) => prop_assert!(false, "{}\n{}\n{:?}", error, before, edits_once),
        }
    }
}
