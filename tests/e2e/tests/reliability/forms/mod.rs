//! Pods of every form that the schema of Kubernetes allows: what the webhook must not change, and what it must not refuse.

mod compare;
mod generate;
mod hints;
mod schema;
mod sense;
mod whole;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    time::Instant,
};

use futures::{StreamExt, future, stream};
use gomemlimit_reliability::cluster::{POD_FORMS, PodForms, rounded};
use kube::Client;
use serde_json::Value;

use self::{
    compare::{Outcome, compare},
    schema::Schema,
};
use super::{calm, keep, kubernetes};
use crate::harness::{Manifest, Namespace, failed_calls, is_long, kubectl, ready};

const AT_ONCE: usize = 8;

/// What was seen so far.
#[derive(Default)]
struct Counts {
    accepted: usize,
    refused: BTreeMap<String, usize>,
    different: Vec<String>,
    containers: usize,
    init_containers: usize,
    values: usize,
    seen: BTreeSet<(String, String)>,
}

impl Counts {
    fn add(&mut self, schema: &Schema, number: u64, sent: &Value, outcome: Outcome) {
        match outcome {
            Outcome::Same { stored, values } => {
                self.accepted += 1;
                self.values += values;
                let count = |list: &str| sent["spec"][list].as_array().map_or(0, Vec::len);
                self.containers += count("containers");
                self.init_containers += count("initContainers");
                // What a feature gate takes away was not accepted, and a default was not sent.
                let [sent, stored] = [sent, &stored].map(|pod| properties(schema, pod));
                self.seen.extend(sent.intersection(&stored).cloned());
            }
            Outcome::Refused(why) => *self.refused.entry(why).or_default() += 1,
            Outcome::Different(how) => self.different.push(format!("pod {number}: {how}\n{sent}")),
        }
    }

    fn record(&self, kubernetes: String, schema: &Schema, seed: u64, started: Instant) -> PodForms {
        let all =
            schema.kinds().flat_map(|(kind, all)| all.iter().map(|one| (kind.clone(), one.name.clone())));
        let (accepted, missing): (Vec<_>, Vec<_>) = all.partition(|property| self.seen.contains(property));
        let mut never = BTreeMap::<String, Vec<String>>::new();
        for (kind, name) in &missing {
            never.entry(kind.clone()).or_default().push(name.clone());
        }
        let refused = self.refused.values().sum();
        PodForms {
            kubernetes,
            seed,
            generated: self.accepted + refused + self.different.len(),
            accepted: self.accepted,
            refused,
            different: self.different.len(),
            not_asked: 0,
            containers: self.containers,
            init_containers: self.init_containers,
            values: self.values,
            properties_accepted: accepted.len(),
            properties: accepted.len() + missing.len(),
            never,
            seconds: rounded(started.elapsed().as_secs_f64()),
        }
    }
}

fn properties(schema: &Schema, pod: &Value) -> BTreeSet<(String, String)> {
    let mut seen = BTreeSet::new();
    schema.visit("PodSpec", &pod["spec"], &mut |kind, name| {
        seen.insert((kind.to_owned(), name.to_owned()));
    });
    seen
}

/// The same pod in both namespaces, as it would be stored.
async fn both(client: &Client, pod: &Value, without: &Namespace, with: &Namespace) -> Outcome {
    let manifest = Manifest(pod.clone());
    let answers =
        future::join(manifest.dry_run(client, &without.name), manifest.dry_run(client, &with.name)).await;
    compare(answers.0, answers.1, [&without.name, &with.name])
}

fn tell(counts: &Counts) {
    let mut reasons: Vec<_> = counts.refused.iter().map(|(why, count)| (count, why)).collect();
    reasons.sort_by(|one, other| other.cmp(one));
    for (count, why) in reasons.iter().take(15) {
        println!("reliability: forms: refused {count} times: {}", why.chars().take(300).collect::<String>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_of_every_form_are_changed_in_our_names_only() {
    let (client, _) = ready().await;
    calm(&client).await;
    let document = kubectl(&["get", "--raw", "/openapi/v3/api/v1"]);
    let schema = Schema::read(&serde_json::from_str(&document).unwrap());
    let (without, with) = (Namespace::new(&client, &[], &[]).await, Namespace::labelled(&client).await);
    let wanted = if is_long() { 10_000 } else { 300 };
    let seed = env::var("GOMEMLIMIT_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    let (started, failed) = (Instant::now(), failed_calls());
    println!("reliability: forms: GOMEMLIMIT_SEED={seed} makes the same pods");
    let mut outcomes = stream::iter(0..3 * wanted)
        .map(async |number| {
            let pod = generate::pod(&schema, seed, number);
            let outcome = both(&client, &pod, &without, &with).await;
            (number, pod, outcome)
        })
        .buffer_unordered(AT_ONCE);
    let mut counts = Counts::default();
    while let Some((number, pod, outcome)) = outcomes.next().await {
        counts.add(&schema, number, &pod, outcome);
        if counts.accepted as u64 == wanted {
            break;
        }
    }
    let mut record = counts.record(kubernetes(&client).await, &schema, seed, started);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count that grows")]
    let not_asked = (failed_calls().0 - failed.0) as usize;
    record.not_asked = not_asked;
    keep(POD_FORMS, &record);
    tell(&counts);
    assert!(counts.different.is_empty(), "{}", counts.different.join("\n\n"));
    assert_eq!(counts.accepted as u64, wanted, "too few of them are valid");
    assert!(record.accepted > record.refused, "more than half of them should be valid");
    assert!(record.values * 4 > record.containers, "too few values to say anything");
    assert!(record.not_asked * 100 <= record.generated, "the webhook did not see them: {}", record.not_asked);
}
