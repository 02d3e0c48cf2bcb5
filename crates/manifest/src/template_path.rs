//! Paths to pod templates: keys with dots between them, `[*]` after a key for every item of its list, and `*` for every
//! key of a mapping: `spec.workers[*].template`.

use serde_json::Value;

/// Calls `found` for every value at the path, with the tokens of its JSON pointer.
pub(crate) fn each<'v>(
    value: &'v Value,
    path: &str,
    tokens: &mut Vec<String>,
    found: &mut impl FnMut(&[String], &'v Value),
) {
    if path.is_empty() {
        found(tokens, value);
        return;
    }
    let (segment, rest) = path.split_once('.').unwrap_or((path, ""));
    let mut below = |value: &'v Value, token: &str, tokens: &mut Vec<String>| {
        tokens.push(token.to_owned());
        each(value, rest, tokens, found);
        tokens.pop();
    };
    if segment == "*" {
        for (key, value) in value.as_object().into_iter().flatten() {
            below(value, key, tokens);
        }
    } else if let Some(key) = segment.strip_suffix("[*]") {
        let Some(items) = value.get(key).and_then(Value::as_array) else { return };
        tokens.push(key.to_owned());
        for (index, item) in items.iter().enumerate() {
            below(item, &index.to_string(), tokens);
        }
        tokens.pop();
    } else if let Some(value) = value.get(segment) {
        below(value, segment, tokens);
    }
}

/// Whether a text is such a path.
pub(crate) fn is_path(text: &str) -> bool {
    let is_key = |key: &str| {
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    text.split('.').all(|segment| segment == "*" || is_key(segment.strip_suffix("[*]").unwrap_or(segment)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(value: &Value, path: &str) -> Vec<String> {
        let mut paths = Vec::new();
        each(value, path, &mut Vec::new(), &mut |tokens, _| paths.push(tokens.join("/")));
        paths
    }

    #[test]
    fn keys_items_and_every_key() {
        let value =
            json!({"a": {"b": 1}, "l": [{"b": 2}, {"c": 3}, {"b": 4}], "m": {"x": {"b": 5}, "y": {"b": 6}}});
        assert_eq!(found(&value, ""), [""]);
        assert_eq!(found(&value, "a.b"), ["a/b"]);
        assert_eq!(found(&value, "l[*].b"), ["l/0/b", "l/2/b"]);
        assert_eq!(found(&value, "m.*.b"), ["m/x/b", "m/y/b"]);
        for path in ["l.b", "a[*].b", "l.*.b", "a.b.c", "z"] {
            assert_eq!(found(&value, path), [""; 0], "{path}");
        }
    }

    #[test]
    fn texts_that_are_paths() {
        for (text, expected) in [
            ("spec.template", true),
            ("spec.workers[*].template", true),
            ("spec.replicas.*.template", true),
            ("", false),
            ("spec..template", false),
            (".spec", false),
            ("spec.workers[0]", false),
            ("spec[*][*]", false),
            ("[*]", false),
            ("spec template", false),
            ("spec/template", false),
            ("$.spec", false),
        ] {
            assert_eq!(is_path(text), expected, "{text}");
        }
    }
}
