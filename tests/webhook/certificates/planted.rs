//! Somebody writes CAs into the Secret, or into the webhook configuration, that this program did not make.

use std::time::SystemTime;

use gomemlimit::certs::{Authority, CaCertificate, SecretData};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use rstest::rstest;

use super::fixture::{Fixture, HOUR, NAME, Replica, TICK, settings};

/// A foreign CA, by what is foreign about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// Another name, no constraint, until 9966.
    Foreign,
    /// Our name for subject and issuer, but it may sign for any name.
    Unconstrained,
    /// For another Service.
    AnotherName,
    /// For the own name, and for one more.
    OneNameMore,
    /// May make CAs of its own.
    PathLength,
    /// Of our form, but signed by another key.
    SignedByAnother,
    /// Of our form, but it ends in 9966.
    TooLong,
}

pub const ALL: [Planted; 7] = [
    Planted::Foreign,
    Planted::Unconstrained,
    Planted::AnotherName,
    Planted::OneNameMore,
    Planted::PathLength,
    Planted::SignedByAnother,
    Planted::TooLong,
];

/// The certificate and its key, as PEM text.
pub fn plant(how: Planted, now: SystemTime) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let dns = |name: &str| GeneralSubtree::DnsName(name.to_owned());
    let mut permitted = vec![dns(NAME)];
    let mut params = CertificateParams::default();
    let mut name = "gomemlimit CA";
    let mut path = 0;
    params.not_after = (now + HOUR).into();
    params.not_before = SystemTime::UNIX_EPOCH.into();
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    match how {
        Planted::Foreign => {
            (name, permitted) = ("Innocent", vec![]);
            params.not_after = rcgen::date_time_ymd(9966, 1, 1);
        }
        Planted::Unconstrained => permitted = vec![],
        Planted::AnotherName => permitted = vec![dns("kubernetes.default.svc")],
        Planted::OneNameMore => permitted.push(dns("kubernetes.default.svc")),
        Planted::PathLength => path = 1,
        Planted::SignedByAnother => {}
        Planted::TooLong => params.not_after = rcgen::date_time_ymd(9966, 1, 1),
    }
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path));
    if !permitted.is_empty() {
        let any = ["0.0.0.0", "::"].map(|any| CidrSubnet::from_addr_prefix(any.parse().unwrap(), 0));
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: permitted,
            excluded_subtrees: any.map(GeneralSubtree::IpAddress).to_vec(),
        });
    }
    let certificate = if how == Planted::SignedByAnother {
        let another = KeyPair::generate().unwrap();
        params.signed_by(&key, &Issuer::from_params(&params, &another)).unwrap()
    } else {
        params.self_signed(&key).unwrap()
    };
    (certificate.pem(), key.serialize_pem())
}

impl Fixture {
    /// Appends to `bundle.crt` as somebody does who may write the Secret.
    pub fn append_to_bundle(&mut self, pem: &str) {
        let mut data = self.cluster.secret.1.clone().unwrap();
        data.entry("bundle.crt".to_owned()).or_default().extend(pem.as_bytes());
        self.cluster.write_secret(Some(data));
    }

    /// Whether the API server trusts this CA.
    pub fn trusts(&self, pem: &str) -> bool {
        let ca = CaCertificate::all_from_pem(pem.as_bytes()).remove(0);
        let live = self.cluster.configuration.1.as_ref().unwrap();
        live.iter().any(|entry| CaCertificate::all_from_pem(&entry.bundle).contains(&ca))
    }
}

#[rstest]
fn a_ca_that_is_planted_is_never_published_and_is_removed_from_the_secret(
    #[values(
        Planted::Foreign,
        Planted::Unconstrained,
        Planted::AnotherName,
        Planted::OneNameMore,
        Planted::PathLength,
        Planted::SignedByAnother,
        Planted::TooLong
    )]
    how: Planted,
) {
    let mut fixture = Fixture::installed(2);
    let (planted, _) = plant(how, fixture.cluster.now);
    fixture.append_to_bundle(&planted);
    fixture.settle();
    assert!(!fixture.trusts(&planted), "{how:?} is trusted");
    // What brought it back: memory, after the Secret was emptied, and after it was deleted.
    fixture.cluster.write_secret(Some(SecretData::new()));
    fixture.settle();
    fixture.cluster.write_secret(None);
    fixture.settle();
    fixture.restore_secret();
    fixture.settle();
    assert!(!fixture.trusts(&planted), "{how:?} is restored");
    let secret = fixture.cluster.secret.1.as_ref().unwrap();
    assert!(!secret["bundle.crt"].windows(planted.len()).any(|part| part == planted.as_bytes()));
    fixture.check_calm();
}

#[rstest]
fn a_ca_that_is_planted_to_sign_is_not_used(
    #[values(
        Planted::Foreign,
        Planted::Unconstrained,
        Planted::OneNameMore,
        Planted::PathLength,
        Planted::SignedByAnother
    )]
    how: Planted,
    #[values(0, 2)] running: usize,
) {
    let mut fixture = Fixture::installed(2);
    let before = fixture.ca_certificate();
    // Without a running replica nobody remembers the genuine CA.
    fixture.replicas.truncate(running);
    let (planted, key) = plant(how, fixture.cluster.now);
    let mut data = fixture.cluster.secret.1.clone().unwrap();
    data.insert("ca.crt".to_owned(), planted.clone().into_bytes());
    data.insert("ca.key".to_owned(), key.clone().into_bytes());
    data.insert("next.crt".to_owned(), planted.clone().into_bytes());
    data.insert("next.key".to_owned(), key.into_bytes());
    fixture.cluster.write_secret(Some(data));
    fixture.replicas.push(Replica::new());
    fixture.settle();
    assert!(!fixture.trusts(&planted), "{how:?} is trusted");
    assert_eq!(fixture.ca_certificate() == before, running > 0, "restored from memory, or made anew");
    fixture.check_calm();
}

#[test]
fn sixteen_planted_cas_do_not_push_out_the_one_that_signed_what_is_served() {
    let mut fixture = Fixture::installed(3);
    let first = fixture.ca_certificate();
    let first = String::from_utf8(first).unwrap();
    // One replica does not notice that another CA is put there.
    fixture.replicas[2].cut = true;
    let other = Authority::generate(NAME, fixture.cluster.now, HOUR * 2).unwrap();
    let mut data = fixture.cluster.secret.1.clone().unwrap();
    data.insert("ca.crt".to_owned(), other.certificate.to_pem().into_bytes());
    data.insert("ca.key".to_owned(), other.key_pem().into_bytes());
    fixture.cluster.write_secret(Some(data));
    fixture.settle();
    for _ in 0..20 {
        let copy = Authority::generate(NAME, fixture.cluster.now, HOUR * 3 / 2).unwrap();
        fixture.append_to_bundle(&copy.certificate.to_pem());
    }
    fixture.settle();
    assert!(fixture.trusts(&first), "what the third replica serves is not trusted any more");
    fixture.check("with sixteen planted");
    let secret = fixture.cluster.secret.1.as_ref().unwrap();
    let bundle = CaCertificate::all_from_pem(&secret["bundle.crt"]).len();
    assert!(bundle <= 18, "{bundle} in the bundle");
    fixture.replicas[2].cut = false;
    fixture.check_calm();
}

#[test]
fn what_others_write_into_the_ca_bundle_does_not_survive() {
    let mut fixture = Fixture::installed(2);
    let trusted = fixture.cluster.configuration.1.as_ref().unwrap()[0].bundle.clone();
    for how in ALL {
        let (planted, _) = plant(how, fixture.cluster.now);
        let mut bundle = trusted.clone();
        bundle.extend(planted.as_bytes());
        fixture.cluster.write_bundles(&bundle);
        fixture.settle();
        assert!(!fixture.trusts(&planted), "{how:?}");
        // Nobody remembers the CA, so what the API server trusts is kept beside a new one.
        fixture.cluster.write_bundles(&bundle);
        fixture.cluster.write_secret(Some(SecretData::new()));
        fixture.replicas = vec![Replica::new()];
        fixture.settle();
        if how == Planted::TooLong {
            // It could be one of a clock that was ahead: for as long as what it signed may be served.
            fixture.advance(settings().leaf_lifetime + TICK);
        }
        assert!(!fixture.trusts(&planted), "{how:?} after a loss of memory");
    }
    fixture.check_calm();
}
