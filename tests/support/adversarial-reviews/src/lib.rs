//! Admission reviews that cost their reader more than their sender: as large as a body may be, and of the worst shape.

/// Bytes of the repeated part of a review; the largest body that is taken has 7 MiB.
const BYTES: usize = 6 << 20;

/// A review.
#[derive(Clone, Debug)]
pub struct AdversarialReview {
    /// What is bad about it.
    pub name: &'static str,
    /// The whole body.
    pub body: String,
    /// Whether it is a review with a uid that can be answered to; anything else is refused.
    pub is_review: bool,
}

/// All of them.
#[must_use]
pub fn all() -> Vec<AdversarialReview> {
    let review = |(name, object): (&'static str, String)| AdversarialReview {
        name,
        body: around(&object),
        is_review: true,
    };
    let mut adversarial_reviews: Vec<_> = reviews().into_iter().map(review).collect();
    let endless_uid = around("{}").replacen(r#""uid":"1""#, &format!(r#""uid":"{}""#, "u".repeat(BYTES)), 1);
    let others = [
        ("3,000,000 arrays that never end", "[".repeat(BYTES / 2)),
        (
            "a text of 6 MiB where the request belongs",
            format!(r#"{{"request":"{}"}}"#, "\u{7f}".repeat(BYTES)),
        ),
        ("6 MiB of blanks", format!("{}{{}}", " ".repeat(BYTES))),
        ("a uid of 6 MiB", endless_uid),
    ];
    adversarial_reviews.extend(others.map(|(name, body)| AdversarialReview { name, body, is_review: false }));
    adversarial_reviews
}

/// The body that is answered at length: 50 KiB make 400.
#[must_use]
pub fn answered_at_length() -> String {
    around(&many_containers())
}

/// The `object` of reviews that can be answered.
fn reviews() -> Vec<(&'static str, String)> {
    let deep = |open: &str, close: &str| open.repeat(100_000) + "1" + &close.repeat(100_000);
    let escaped = r"\u0000".repeat(BYTES / 6);
    let short_escapes = r"\n".repeat((1 << 19) - 1);
    let same_keys = r#""memory":"1Gi","#.repeat(BYTES / 15);
    let limit = |limits: &str| pod(&format!(r#""resources":{{"limits":{{{limits}}}}}"#));
    let annotations = |entries: &str| format!(r#"{{"metadata":{{"annotations":{{{entries}"a":"b"}}}}}}"#);
    let own = |count: usize, value: &str| {
        let entries: Vec<_> = (0..count).map(|n| format!(r#""gomemlimit.dev/{n}":"{value}","#)).collect();
        entries.concat()
    };
    let variables = format!(r#"{{"env":{}}}"#, list(r#"{"name":"GOMEMLIMIT"}"#, 270));
    vec![
        ("100,000 arrays inside each other", deep("[", "]")),
        ("100,000 objects inside each other", deep(r#"{"a":"#, "}")),
        ("nesting in a field that nobody reads", pod(&format!(r#""x":{}"#, deep("[", "]")))),
        ("2,000,000 empty containers", spec(&full("{}"))),
        ("1,000 containers with a value for each", many_containers()),
        ("a container whose name has 6 MiB", limit_of(&"a".repeat(BYTES), "1Gi")),
        ("a text of 6 MiB where the pod belongs", format!(r#""{}""#, "\u{7f}".repeat(BYTES))),
        ("a text of 6 MiB where a list belongs", pod(&format!(r#""env":"{}""#, "\u{7f}".repeat(BYTES)))),
        (
            "GOMEMLIMIT of 6 MiB",
            pod(&format!(r#""env":[{{"name":"GOMEMLIMIT","value":"{}"}}]"#, "x".repeat(BYTES))),
        ),
        ("120,000 containers", spec(&full(r#"{"name":"a","resources":{"limits":{"memory":"1Gi"}}}"#))),
        ("1,000 containers of 270 entries of env each", spec(&list(&variables, 1000))),
        ("300,000 entries of env", pod(&format!(r#""env":{}"#, full(r#"{"name":"GOMEMLIMIT"}"#)))),
        ("2,000,000 empty entries of envFrom", pod(&format!(r#""envFrom":{}"#, full("{}")))),
        ("1,500,000 arguments", pod(&format!(r#""args":{}"#, full(r#""x""#)))),
        ("200,000 annotations under our prefix", annotations(&own(200_000, "x"))),
        ("3,000,000 escapes in six of our annotations", annotations(&own(6, &short_escapes))),
        (
            "1,000,000 escapes in the status annotation",
            annotations(&format!(r#""gomemlimit.dev/status":"{escaped}","#)),
        ),
        ("1,000,000 escapes in a name", format!(r#"{{"metadata":{{"name":"{escaped}"}}}}"#)),
        (
            "1,000,000 escapes in the value of a variable",
            pod(&format!(r#""env":[{{"name":"A","value":"{escaped}"}}]"#)),
        ),
        ("a number of 6,000,000 digits", format!(r#"{{"a":{}}}"#, "9".repeat(BYTES))),
        ("a memory limit of 6,000,000 digits", limit(&format!(r#""memory":"{}""#, "9".repeat(BYTES)))),
        ("a memory limit of 1e999999999", limit(r#""memory":"1e999999999""#)),
        ("the same key 400,000 times", limit(&format!(r#"{same_keys}"memory":"1Gi""#))),
    ]
}

/// A review of the creation of `object`.
fn around(object: &str) -> String {
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"1","kind":{{"group":"","version":"v1","kind":"Pod"}},"namespace":"shop","operation":"CREATE","object":{object}}}}}"#
    )
}

fn spec(containers: &str) -> String {
    format!(r#"{{"spec":{{"containers":{containers}}}}}"#)
}

fn pod(container: &str) -> String {
    spec(&format!(r#"[{{"name":"a",{container}}}]"#))
}

fn many_containers() -> String {
    spec(&list(r#"{"name":"a","resources":{"limits":{"memory":"1Gi"}}}"#, 1000))
}

fn list(element: &str, count: usize) -> String {
    format!("[{}]", vec![element; count].join(","))
}

fn limit_of(name: &str, limit: &str) -> String {
    spec(&format!(r#"[{{"name":"{name}","resources":{{"limits":{{"memory":"{limit}"}}}}}}]"#))
}

/// As many as fill a review.
fn full(element: &str) -> String {
    list(element, BYTES / (element.len() + 1))
}
