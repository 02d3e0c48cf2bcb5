//! Label selectors, and which objects a webhook configuration selects.

use std::collections::BTreeMap;

use gomemlimit_core::audit::{LabelSelector, Selected, Selection, WebhookEntry};
use serde_json::{Value, json};

#[test]
fn selectors_are_those_of_kubernetes() {
    let labels = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let selector = |value: Value| -> LabelSelector { serde_json::from_value(value).unwrap() };
    let expression = |operator: &str, values: Value| {
        let mut one = json!({"key": "a", "operator": operator});
        if !values.is_null() {
            one["values"] = values;
        }
        selector(json!({"matchExpressions": [one]}))
    };
    let (none, x, y) = (labels(&[]), labels(&[("a", "x")]), labels(&[("a", "y")]));
    for (selector, wanted) in [
        (selector(json!({})), [true, true, true]),
        (selector(json!({"matchLabels": {"a": "x"}})), [false, true, false]),
        (expression("In", json!(["x", "z"])), [false, true, false]),
        (expression("NotIn", json!(["x"])), [true, false, true]),
        (expression("Exists", Value::Null), [false, true, true]),
        (expression("DoesNotExist", Value::Null), [true, false, false]),
    ] {
        assert_eq!([&none, &x, &y].map(|labels| selector.matches(labels)), wanted, "{selector:?}");
    }
    let chart = Selection::default();
    let no_labels = BTreeMap::new;
    let opted_in = labels(&[("gomemlimit.dev/inject", "enabled"), ("kubernetes.io/metadata.name", "shop")]);
    assert_eq!(chart.selects(Some(&opted_in), no_labels), Selected::Yes);
    let opted_out = || labels(&[("gomemlimit.dev/inject", "disabled")]);
    assert_eq!(chart.selects(Some(&opted_in), opted_out), Selected::OptedOut);
    let label = "gomemlimit.dev/inject=enabled".to_owned();
    assert_eq!(chart.selects(Some(&none), no_labels), Selected::NotLabelled { label });
    let system = labels(&[("kubernetes.io/metadata.name", "kube-system")]);
    assert_eq!(chart.selects(Some(&system), no_labels), Selected::Excluded);
    assert_eq!(chart.selects(None, no_labels), Selected::Unknown);
    // The label goes into a command.
    for strange in [r#"{"--all":"x"}"#, r#"{"a":"$(touch x)"}"#, r#"{"a b":"c"}"#] {
        let namespaces: LabelSelector =
            serde_json::from_str(&format!(r#"{{"matchLabels":{strange}}}"#)).unwrap();
        let selection = Selection::new(vec![WebhookEntry { namespaces, objects: LabelSelector::default() }]);
        assert_eq!(selection.selects(Some(&none), no_labels), Selected::Excluded, "{strange}");
    }
    let nobody = Selection::new(Vec::<WebhookEntry>::new());
    assert_eq!(nobody.selects(Some(&opted_in), no_labels), Selected::Excluded);
}

#[test]
fn a_selector_reads_as_the_api_server_takes_it() {
    let selector: LabelSelector = serde_json::from_value(json!({
        "matchLabels": {"app": "api", "tier": "web"},
        "matchExpressions": [
            {"key": "zone", "operator": "In", "values": ["a", "b"]},
            {"key": "track", "operator": "NotIn", "values": ["canary"]},
            {"key": "owner", "operator": "Exists"},
            {"key": "old", "operator": "DoesNotExist", "values": []},
        ],
    }))
    .unwrap();
    assert_eq!(selector.query(), "app=api,tier=web,zone in (a,b),track notin (canary),owner,!old");
    assert_eq!(LabelSelector::default().query(), "");
}
