//! What a separate keeper writes for replicas, and what of it may fail without the rest.

use std::sync::atomic::Ordering;

use base64::{Engine, prelude::BASE64_STANDARD};
use gomemlimit::certs::{Authority, CaCertificate};
use gomemlimit_fake_api_server::{Call, Fault, Resource, Verb};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};

use super::{CA, Cluster, DAY, Duration, HOUR, LEAF, Mode, SETTLED, TICK, decoded, now, server_name, start};

/// What is refused for good must not keep the rest from being mended.
#[rstest]
#[tokio::test(start_paused = true)]
async fn a_write_that_always_fails_does_not_keep_another_from_being_done(
    #[values((Mode::Replica, CA), (Mode::Separate, CA), (Mode::Separate, LEAF))]
    (mode, (_, verb, resource)): (Mode, (usize, Verb, Resource)),
) {
    let cluster = Cluster::settled(mode).await;
    let bundle = cluster.api.bundle();
    let is_refused = move |call: &Call| (call.verb, call.resource) == (verb, resource);
    cluster.api.fail(move |call| is_refused(call).then_some(Fault::Refused(403, "no right")));
    cluster.api.overwrite(resource, json!({}));
    sleep(SETTLED).await;
    cluster.api.overwrite_bundle();
    sleep(TICK * 2).await;
    assert_eq!(cluster.api.bundle(), bundle, "the CA bundle is put right");
    assert_eq!(cluster.troubles(), ["the API server answered 403: no right"]);
    if resource == Resource::Secrets && mode == Mode::Separate {
        cluster.api.overwrite(Resource::ServingSecrets, json!({}));
        sleep(TICK * 2).await;
        cluster.check_leaf();
    }
    let writes = cluster.api.count(verb, resource);
    sleep(HOUR).await;
    let writes = cluster.api.count(verb, resource) - writes;
    assert!((100..=121).contains(&writes), "{writes} writes in an hour, a tick is {TICK:?}");
    cluster.api.fail(|_| None);
    cluster.settle_and_rest().await;
}

/// The two entries of a serving Secret with a certificate by this CA for this name.
fn leaf_by(ca: &Authority, name: &str) -> Value {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_after = (now() + DAY * 6).into();
    let mut issuer = rcgen::CertificateParams::default();
    issuer.distinguished_name = rcgen::DistinguishedName::new();
    issuer.distinguished_name.push(rcgen::DnType::CommonName, "gomemlimit CA");
    let ca_key = rcgen::KeyPair::from_pem(&ca.key_pem()).unwrap();
    let certificate = params.signed_by(&key, &rcgen::Issuer::new(issuer, ca_key)).unwrap();
    let entry = |text: String| BASE64_STANDARD.encode(text);
    json!({"tls.crt": entry(certificate.pem()), "tls.key": entry(key.serialize_pem())})
}

#[tokio::test(start_paused = true)]
async fn what_is_not_a_certificate_of_ours_is_replaced_once_and_what_is_stays() {
    let cluster = Cluster::settled(Mode::Separate).await;
    let own = cluster.api.data(Resource::ServingSecrets);
    let foreign = Authority::generate(&server_name(), now(), DAY * 7).unwrap();
    let stored = cluster.api.data(Resource::Secrets);
    let ca =
        Authority::from_pem(&decoded(&stored["ca.crt"]), &decoded(&stored["ca.key"]), &server_name(), now());
    let ca = ca.unwrap();
    let mut torn = leaf_by(&ca, &server_name());
    torn["tls.key"] = own["tls.key"].clone();
    for (what, data) in [
        ("emptied", json!({})),
        ("without a key", json!({"tls.crt": own["tls.crt"]})),
        ("garbage", json!({"tls.crt": "Zm9yZWlnbg==", "tls.key": "Zm9yZWlnbg=="})),
        ("torn", torn),
        ("by somebody else", leaf_by(&foreign, &server_name())),
        ("for another name", leaf_by(&ca, "kubernetes.default.svc")),
    ] {
        let before = cluster.writes_of_leaf();
        cluster.api.overwrite(Resource::ServingSecrets, data.clone());
        cluster.settle_and_rest().await;
        assert_eq!(cluster.writes_of_leaf() - before, 1, "{what}");
        assert_ne!(cluster.api.data(Resource::ServingSecrets), data, "{what}");
    }
    // Of our CA, with a key beside it that is not its own.
    let before = cluster.writes_of_leaf();
    let mut fine = leaf_by(&ca, &server_name());
    fine["ca.crt"] = stored["ca.crt"].clone();
    cluster.api.overwrite(Resource::ServingSecrets, fine.clone());
    cluster.settle_and_rest().await;
    assert_eq!(cluster.writes_of_leaf() - before, 0, "what is good is not written again");
    cluster.api.overwrite(Resource::ServingSecrets, json!({"ca.crt": stored["ca.crt"]}));
    cluster.settle_and_rest().await;
    assert_eq!(cluster.api.data(Resource::ServingSecrets)["ca.crt"], stored["ca.crt"], "others' keys stay");
}

#[tokio::test(start_paused = true)]
async fn two_keepers_agree_on_one_certificate_and_a_third_writes_nothing() {
    let cluster = Cluster::start(Mode::Separate, 2, |_| None);
    cluster.settle_and_rest().await;
    let (leaf, writes) = (cluster.api.data(Resource::ServingSecrets), cluster.writes_of_leaf());
    // One is done; the other keeper may try until it has seen that.
    assert!(writes <= 4, "{writes}");
    let mut tasks = JoinSet::new();
    let third = start(Mode::Separate, &cluster.api, 2, &mut tasks);
    cluster.settle().await;
    assert!(third.trusted.load(Ordering::Relaxed));
    assert_eq!(cluster.api.data(Resource::ServingSecrets), leaf);
    assert_eq!(cluster.writes_of_leaf(), writes);
}

#[tokio::test(start_paused = true)]
async fn somebody_who_keeps_emptying_the_serving_secret_is_answered_once_a_tick_in_the_end() {
    let cluster = Cluster::settled(Mode::Separate).await;
    let empty = async |times: u32| {
        let before = cluster.writes_of_leaf();
        for _ in 0..times {
            cluster.api.overwrite(Resource::ServingSecrets, json!({}));
            sleep(Duration::from_secs(1)).await;
        }
        cluster.writes_of_leaf() - before
    };
    let first = empty(120).await;
    assert!((10..=20).contains(&first), "{first} writes in two minutes");
    let then = empty(3600).await;
    assert!((100..=130).contains(&then), "{then} writes in an hour, a tick is {TICK:?}");
    cluster.settle_and_rest().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_for_replicas_before_the_api_server_trusts_it() {
    let is_patch = |call: &Call| call.verb == Verb::Patch;
    let cluster = Cluster::start(Mode::Separate, 1, move |call| {
        is_patch(call).then_some(Fault::Refused(403, "no right"))
    });
    sleep(HOUR).await;
    assert_eq!(cluster.writes_of_leaf(), 0);
    cluster.api.delete(Resource::Configurations);
    sleep(HOUR).await;
    assert_eq!(cluster.writes_of_leaf(), 0, "nobody trusts anything");
    cluster.api.fail(|_| None);
    cluster.api.create(Resource::Configurations);
    cluster.settle_and_rest().await;
    assert_eq!(cluster.writes_of_leaf(), 1);
    let bundle = CaCertificate::all_from_pem(&decoded(&cluster.api.bundle()));
    assert_eq!(bundle.len(), 1);
}
