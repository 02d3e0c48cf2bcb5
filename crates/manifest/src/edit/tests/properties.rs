//! Manifests in many mixtures of styles: every edit succeeds, and no line is lost.

use proptest::prelude::*;

use super::*;

/// How one generated manifest is written.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a style of its own, and all mixtures are wanted")]
struct Written {
    unit: usize,
    dash: usize,
    gap: usize,
    env: Vec<usize>,
    annotations: usize,
    comments: bool,
    empty_lines: bool,
    windows: bool,
    last_break: bool,
    mark: bool,
}

prop_compose! {
    fn written()(
        unit in 1..5usize,
        dash in 0..4usize,
        gap in 1..4usize,
        env in prop::collection::vec(0..ENVS.len(), 1..4),
        annotations in 0..ANNOTATIONS.len(),
        (comments, empty_lines, windows, last_break, mark) in any::<(bool, bool, bool, bool, bool)>(),
    ) -> Written {
        Written { unit, dash, gap, env, annotations, comments, empty_lines, windows, last_break, mark }
    }
}

/// Forms of `env`; `~` is the indentation of a list, `^` that of its items.
const ENVS: [&str; 9] = [
    "",
    "env:",
    "env: []",
    "env: null # c",
    "env: [{name: A, value: '1'}]",
    "env: [ # c\n{name: A}, # c\n{name: B}\n]",
    "env:\n~-_name: A\n^value: |\n^  x: [\n^  # no comment\n\n",
    "env:\n~-_name: A # c\n^value: >-\n^  é😀\n~-_name: B\n~# c",
    "env:\n~- {\"name\": \"A\", \"value\": \"1\"}",
];

const ANNOTATIONS: [&str; 6] = [
    "metadata:",
    "metadata: {}",
    "metadata:\n_labels: {a: b} # c",
    "metadata:\n_annotations: {} # c",
    "metadata:\n_annotations: {a: b}",
    "metadata:\n_annotations:\n__a: |+\n___b\n\n\n__# c",
];

impl Written {
    fn text(&self) -> String {
        let spaces = |count: usize| " ".repeat(count);
        let mut lines = vec!["kind: Pod".to_owned()];
        lines.extend(ANNOTATIONS[self.annotations].lines().map(|line| line.replace('_', &spaces(self.unit))));
        lines.extend(["spec:".to_owned(), format!("{}containers:", spaces(self.unit))]);
        let dash = self.unit + self.dash;
        let key = dash + 1 + self.gap;
        for env in &self.env {
            lines.push(format!("{}-{}name: app # é", spaces(dash), spaces(self.gap)));
            let list = key + self.dash;
            for line in ENVS[*env].lines() {
                let outer = if line.starts_with(['~', '^']) || line.is_empty() { 0 } else { key };
                let line = line.replace('~', &spaces(list)).replace('_', &spaces(self.gap));
                lines.push(spaces(outer) + &line.replace('^', &spaces(list + 1 + self.gap)));
            }
            if self.comments {
                lines.push(format!("{}# inside", spaces(key)));
            }
            if self.empty_lines {
                lines.push(String::new());
            }
            if self.comments {
                lines.push(format!("{}# outside", spaces(dash)));
            }
        }
        let mut text = lines.join("\n") + if self.last_break { "\n" } else { "" };
        if self.mark {
            text.insert(0, '\u{feff}');
        }
        if self.windows { windows(&text) } else { text }
    }

    fn edits(&self) -> Vec<Edit> {
        let env = self.env.iter().enumerate().map(|(index, env)| {
            let container = format!("/spec/containers/{index}");
            if *env < 4 { add_env(&container) } else { append_env(&container) }
        });
        env.chain([annotate()]).collect()
    }
}

/// Lines without the parts that an edit may remove or add on the same line; comments on their own are kept whole.
fn key_lines(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let cut = if line.trim_start().starts_with('#') { None } else { line.find(['[', '{', '#', ',']) };
        line[..cut.unwrap_or(line.len())].replace(" null", "").trim_end().to_owned()
    };
    text.split('\n').map(line).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_style_can_be_edited(written in written()) {
        let before = written.text();
        match edited(&before, &written.edits()) {
            Ok(after) => {
                let mut rest = key_lines(&after).into_iter();
                for line in key_lines(&before) {
                    prop_assert!(rest.any(|other| other == line), "lost {line:?} of\n{before}\nin\n{after}");
                }
                prop_assert_eq!(after.matches('\r').count() > 0, written.windows);
                prop_assert!(!written.windows || !after.replace("\r\n", "").contains('\n'));
            }
            Err(error) => prop_assert!(false, "{}\n{}", error, before),
        }
    }
}
