//! Names of the pod templates of an object that has several.

use serde_json::Value;

/// The name of the pod template at `tokens` of an object: the path to it, with the names of list items instead of their
/// indexes, and without what nearly all such paths have: `replicatedJobs[workers]`.
pub(crate) fn template_name(object: &Value, tokens: &[String]) -> String {
    let is_usual = |token: &String| token == "spec" || token == "template";
    let start = usize::from(tokens.len() > 1 && tokens.first().is_some_and(is_usual));
    let end = tokens.iter().rposition(|token| !is_usual(token)).map_or(tokens.len(), |last| last + 1);
    let mut name = String::new();
    let mut value = Some(object);
    for (index, token) in tokens.iter().enumerate().take(end) {
        let item = value.and_then(Value::as_array).and_then(|items| items.get(token.parse::<usize>().ok()?));
        let is_item = item.is_some();
        value = item.or_else(|| value?.get(token));
        if is_item {
            let own = value.and_then(|item| item.get("name")?.as_str());
            name.extend(["[", own.unwrap_or(token), "]"]);
        } else if index >= start {
            name.extend([if name.is_empty() { "" } else { "." }, token]);
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn items_have_their_names_or_their_indexes() {
        let template = json!({"spec": {"template": {}}});
        let object = json!({
            "spec": {
                "replicatedJobs": [{"name": "leader", "template": template}, {"template": template}],
                "pytorchReplicaSpecs": {"Master": {"template": {}}},
                "install": {"spec": {"deployments": [{"name": "api", "spec": {"template": {}}}]}},
            },
            "template": {},
        });
        for (path, expected) in [
            ("spec/replicatedJobs/0/template/spec/template", "replicatedJobs[leader]"),
            ("spec/replicatedJobs/1/template/spec/template", "replicatedJobs[1]"),
            ("spec/pytorchReplicaSpecs/Master/template", "pytorchReplicaSpecs.Master"),
            ("spec/install/spec/deployments/0/spec/template", "install.spec.deployments[api]"),
            ("spec/template", "template"),
            ("template", "template"),
        ] {
            let tokens: Vec<String> = path.split('/').map(str::to_owned).collect();
            assert_eq!(template_name(&object, &tokens), expected, "{path}");
        }
    }
}
