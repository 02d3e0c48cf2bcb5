//! The answers without and with the webhook, held against each other.

use serde_json::Value;

const VARIABLES: [&str; 2] = ["GOMEMLIMIT", "GOMEMLIMIT_MIB"];
const STATUS: &str = "gomemlimit.dev/status";
/// The volume of the token: five letters by chance follow.
const TOKEN: &str = "kube-api-access-";

/// What two answers come to.
pub enum Outcome {
    /// Accepted, and the same without our names.
    Same {
        stored: Value,
        values: usize,
    },
    /// For the same reason.
    Refused(String),
    Different(String),
}

/// Of a pod that was created in two namespaces, only the second of which has opted in.
pub fn compare(
    without: Result<Value, kube::Error>,
    with: Result<Value, kube::Error>,
    namespaces: [&str; 2],
) -> Outcome {
    let words = |error| {
        namespaces.iter().fold(reasons(error), |words, namespace| words.replace(namespace, "NAMESPACE"))
    };
    match (without.map_err(words), with.map_err(words)) {
        (Ok(mut without), Ok(mut with)) => {
            by_nature(&mut without);
            by_nature(&mut with);
            let values = take_ours(&mut with, &without);
            match difference("", &without, &with) {
                None => Outcome::Same { stored: without, values },
                Some(difference) => Outcome::Different(difference),
            }
        }
        (Err(without), Err(with)) if without == with => Outcome::Refused(without),
        (Err(without), Err(with)) => Outcome::Different(format!("refused: {without}\nand with: {with}")),
        (Ok(_), Err(with)) => Outcome::Different(format!("refused only with the webhook: {with}")),
        (Err(without), Ok(_)) => Outcome::Different(format!("accepted only with the webhook: {without}")),
    }
}

/// Why a pod was refused. The API server names what is wrong in an order of chance.
fn reasons(error: kube::Error) -> String {
    let kube::Error::Api(status) = error else { return error.to_string() };
    let causes = status.details.map(|details| details.causes).unwrap_or_default();
    if causes.is_empty() {
        return status.message;
    }
    let mut causes: Vec<_> =
        causes.iter().map(|cause| format!("{}: {} ({})", cause.field, cause.message, cause.reason)).collect();
    causes.sort();
    causes.join(", ")
}

/// Takes away what two creations never have in common.
fn by_nature(pod: &mut Value) {
    let metadata = pod["metadata"].as_object_mut().unwrap();
    for name in ["uid", "creationTimestamp", "managedFields", "namespace"] {
        metadata.remove(name);
    }
    for condition in pod["status"]["conditions"].as_array_mut().into_iter().flatten() {
        condition.as_object_mut().unwrap().remove("lastTransitionTime");
    }
    for volume in pod["spec"]["volumes"].as_array_mut().into_iter().flatten() {
        without_chance(&mut volume["name"]);
    }
    for container in containers(pod) {
        for mount in container["volumeMounts"].as_array_mut().into_iter().flatten() {
            without_chance(&mut mount["name"]);
        }
    }
}

fn without_chance(name: &mut Value) {
    if name.as_str().is_some_and(|name| name.starts_with(TOKEN) && name.len() == TOKEN.len() + 5) {
        *name = TOKEN.into();
    }
}

fn containers(pod: &mut Value) -> impl Iterator<Item = &mut Value> {
    let lists = pod["spec"].as_object_mut().unwrap().iter_mut();
    let lists = lists.filter(|(name, _)| matches!(&***name, "containers" | "initContainers"));
    lists.flat_map(|(_, list)| list.as_array_mut().into_iter().flatten())
}

/// Takes away our names where the user has none of them: the values of the user's own must not change. Counts values.
fn take_ours(with: &mut Value, without: &Value) -> usize {
    if let Some(annotations) = with["metadata"]["annotations"].as_object_mut() {
        annotations.remove(STATUS);
    }
    let mut originals = without.clone();
    let mut values = 0;
    for (container, original) in containers(with).zip(containers(&mut originals)) {
        let users = original["env"].as_array().cloned().unwrap_or_default();
        let Some(env) = container["env"].as_array_mut() else { continue };
        for name in VARIABLES.iter().filter(|name| users.iter().all(|variable| variable["name"] != **name)) {
            if let Some(place) = env.iter().position(|variable| variable["name"] == *name) {
                env.remove(place);
                values += usize::from(*name == "GOMEMLIMIT");
            }
        }
        if env.is_empty() && users.is_empty() {
            container.as_object_mut().unwrap().remove("env");
        }
    }
    values
}

/// The first place where they differ.
fn difference(path: &str, one: &Value, other: &Value) -> Option<String> {
    match (one, other) {
        (Value::Object(left), Value::Object(right)) => {
            let names = left.keys().chain(right.keys().filter(|name| !left.contains_key(*name)));
            names.into_iter().find_map(|name| difference(&format!("{path}/{name}"), &one[name], &other[name]))
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            let mut pairs = left.iter().zip(right).enumerate();
            pairs.find_map(|(place, (one, other))| difference(&format!("{path}/{place}"), one, other))
        }
        _ => (one != other).then(|| format!("{path}: {one} without, {other} with the webhook")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(env: &Value, annotation: &str) -> Value {
        json!({
            "metadata": {"uid": annotation, "annotations": {"note": "kept"}},
            "spec": {
                "containers": [{"name": "app", "env": env, "volumeMounts": [{"name": format!("{TOKEN}{annotation}")}]}],
            },
        })
    }

    fn seen(without: Value, with: Value) -> String {
        match compare(Ok(without), Ok(with), ["a", "b"]) {
            Outcome::Same { values, .. } => format!("{values} values"),
            Outcome::Refused(words) | Outcome::Different(words) => words,
        }
    }

    #[test]
    fn the_comparison_overlooks_nothing_but_our_names() {
        let (ours, home) =
            (json!({"name": "GOMEMLIMIT", "value": "1"}), json!({"name": "HOME", "value": "/"}));
        let mut with = pod(&json!([home, ours]), "bbbbb");
        with["metadata"]["annotations"][STATUS] = "{}".into();
        assert_eq!(seen(pod(&json!([home]), "aaaaa"), with.clone()), "1 values");
        with["metadata"]["annotations"]["other"] = "x".into();
        assert!(seen(pod(&json!([home]), "aaaaa"), with).starts_with("/metadata/annotations/other"));
        // A value of the user's must not change, nor is another variable to leave out.
        let changed = pod(&json!([{"name": "GOMEMLIMIT", "value": "2"}]), "bbbbb");
        assert!(seen(pod(&json!([ours]), "aaaaa"), changed).starts_with("/spec/containers/0/env/0/value"));
        let lost = pod(&json!([ours]), "bbbbb");
        assert!(seen(pod(&json!([home]), "aaaaa"), lost).starts_with("/spec/containers/0/env"));
    }

    #[test]
    fn the_order_of_reasons_means_nothing_and_their_words_do() {
        let refused = |causes: &[&str]| {
            let causes: Vec<_> =
                causes.iter().map(|cause| json!({"field": cause, "message": "no"})).collect();
            let status = json!({"code": 422, "message": "invalid", "details": {"causes": causes}});
            Err(kube::Error::Api(serde_json::from_value(status).unwrap()))
        };
        let same = compare(refused(&["a", "b"]), refused(&["b", "a"]), ["x", "y"]);
        assert!(matches!(same, Outcome::Refused(_)));
        let different = compare(refused(&["a", "b"]), refused(&["a"]), ["x", "y"]);
        assert!(matches!(different, Outcome::Different(_)));
    }
}
