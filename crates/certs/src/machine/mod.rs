//! The state machine: what is known in, the next thing to do out.

mod admission;
mod live;
mod memory;
mod observed;
mod report;
mod served;

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use self::{admission::Admission, live::LiveBundles, observed::Observed, served::Served};
use crate::{
    authority::{Authority, AuthorityError},
    ca_certificate::CaCertificate,
    contents::{Contents, UnusableSecret},
    data::SecretData,
    fingerprint::Fingerprint,
    leaf::{Leaf, SignReason},
    step::{EntryBundle, Step, StoreReason, WriteTarget},
};

/// Settings that do not change while the process runs.
#[derive(Clone, Debug)]
pub struct CertificateSettings {
    /// The one name that the API server calls the webhook by: `<service>.<namespace>.svc`.
    pub server_name: String,
    /// Life of a CA.
    pub ca_lifetime: Duration,
    /// Life of the certificate that is served.
    pub leaf_lifetime: Duration,
    /// Time that a CA has to be seen in the CA bundle before it signs.
    pub publish_delay: Duration,
}

/// A CA that every entry of the webhook configuration has, and the time since which they were seen to have it.
#[derive(Clone, Debug)]
struct BundledSince {
    ca: CaCertificate,
    since: SystemTime,
}

/// All that one replica knows about the certificates.
#[derive(Debug)]
pub struct Machine {
    settings: CertificateSettings,
    secret: Observed<SecretData>,
    configuration: Observed<Vec<EntryBundle>>,
    live: LiveBundles,
    /// The contents that were parsed last, and the data that they were parsed from.
    parsed: Option<(SecretData, Contents)>,
    /// The last usable contents of the Secret.
    contents: Option<Contents>,
    next_bundled: Option<BundledSince>,
    /// The Secret that replicas mount; `None` if the certificate is kept in memory.
    serving_secret: Option<Observed<SecretData>>,
    /// The certificate that is served: from memory, or that of the serving Secret.
    leaf: Option<Leaf>,
    /// Why the serving Secret has no certificate that can be served.
    unusable_leaf: String,
    /// The CAs of the certificates that replicas may still serve.
    served: Served,
    admission: Admission,
}

impl Machine {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(settings: CertificateSettings) -> Self {
        let admission = Admission::new(settings.ca_lifetime, settings.leaf_lifetime);
        Self {
            settings,
            secret: Observed::Unknown,
            configuration: Observed::Unknown,
            live: LiveBundles::default(),
            parsed: None,
            contents: None,
            next_bundled: None,
            serving_secret: None,
            leaf: None,
            unusable_leaf: String::new(),
            served: Served::default(),
            admission,
        }
    }

    /// The same for a keeper, which serves nothing itself: certificates go to the Secret that replicas mount.
    #[must_use]
    pub fn for_keeper(settings: CertificateSettings) -> Self {
        Self { serving_secret: Some(Observed::Unknown), ..Self::new(settings) }
    }

    /// Takes over the Secret as it is now; `None` if there is none.
    pub fn observe_secret(&mut self, data: Option<SecretData>) {
        self.secret = data.into();
    }

    /// Takes over the Secret that replicas mount as it is now; `None` if there is none.
    pub fn observe_serving_secret(&mut self, data: Option<SecretData>) {
        self.serving_secret = Some(data.into());
    }

    /// Takes over the entries of the webhook configuration as they are now; `None` if there is none.
    pub fn observe_configuration(&mut self, entries: Option<Vec<EntryBundle>>) {
        self.live = LiveBundles::of(entries.as_deref().unwrap_or_default());
        self.configuration = entries.into();
    }

    /// Takes over the list of revoked CAs, an annotation of the Secret, as it is now; `None` if there is none.
    ///
    /// Parts of it that cannot be read are left out, and reported among the changes.
    pub fn observe_revoked(&mut self, annotation: Option<&str>) {
        let known = self.contents.iter().flat_map(Contents::trusted).chain(self.live.all());
        self.admission.revoke(annotation, known.chain(self.served.all()));
    }

    /// The next thing to do at `now`; `None` if everything is as it should be, or only somebody else can fix it.
    ///
    /// The result of a step has to be observed (`observe_…`) before the next call.
    ///
    /// # Errors
    /// If a certificate cannot be made.
    pub fn step(&mut self, now: SystemTime) -> Result<Option<Step>, AuthorityError> {
        self.step_without(&BTreeSet::new(), now)
    }

    /// The next thing to do that writes none of `blocked`, which cannot be written at the moment.
    ///
    /// # Errors
    /// If a certificate cannot be made.
    pub fn step_without(
        &mut self,
        blocked: &BTreeSet<WriteTarget>,
        now: SystemTime,
    ) -> Result<Option<Step>, AuthorityError> {
        self.read_leaf(now);
        let changed = match self.secret.clone() {
            Observed::Present(data) => self.reconcile_secret(&data, now)?,
            Observed::Unknown | Observed::Missing => None,
        };
        if let Some((contents, why)) = changed.filter(|_| !blocked.contains(&WriteTarget::CaSecret)) {
            return Ok(Some(Step::StoreCa(contents.to_data(), why)));
        }
        // Once more with the CAs of the Secret.
        self.read_leaf(now);
        if !blocked.contains(&WriteTarget::ServingSecret)
            && let Some(step) = self.sign(now)?
        {
            return Ok(Some(step));
        }
        Ok(self.publish().filter(|_| !blocked.contains(&WriteTarget::WebhookConfiguration)))
    }

    /// The contents that the Secret should have instead, if any.
    fn reconcile_secret(
        &mut self,
        data: &SecretData,
        now: SystemTime,
    ) -> Result<Option<(Contents, StoreReason)>, AuthorityError> {
        let mut contents = match self.read(data, now) {
            Ok(contents) => contents,
            Err(unusable) => return self.without_usable_secret(&unusable, now),
        };
        // Somebody put another CA there: the certificate that is served stays trusted until it is replaced.
        let served = self.served.missing_in(&contents, self.settings.leaf_lifetime, now);
        if !served.is_empty() {
            contents.retired.extend(served);
            self.prune(&mut contents, now);
        }
        self.admission.replace(self.contents.as_ref(), &contents, now);
        self.contents = Some(contents.clone());
        self.note_bundled(&contents, now);
        if now >= contents.current.replace_at(self.settings.ca_lifetime) {
            match &contents.next {
                None => {
                    let next = Some(self.generate(now)?);
                    return Ok(Some((Contents { next, ..contents }, StoreReason::NextAdded)));
                }
                Some(next) if self.was_bundled(next, now) => {
                    return Ok(contents.rotated(now).map(|rotated| (rotated, StoreReason::Rotated)));
                }
                Some(_) => {}
            }
        }
        let is_stored = contents.is_stored_in(data);
        Ok((!is_stored).then_some((contents, StoreReason::Pruned)))
    }

    /// Parses the Secret, unless it was parsed before: to try a CA means to make keys.
    fn read(&mut self, data: &SecretData, now: SystemTime) -> Result<Contents, UnusableSecret> {
        let mut contents = match &self.parsed {
            Some((known, contents)) if known == data && contents.is_usable_at(now) => contents.clone(),
            _ => {
                let (contents, refused) = Contents::parse(data, &self.settings.server_name, now)?;
                self.admission.refuse(refused);
                self.parsed = Some((data.clone(), contents.clone()));
                contents
            }
        };
        self.prune(&mut contents, now);
        if self.admission.is_revoked(&contents.current.certificate) {
            return Err(UnusableSecret::Revoked(Fingerprint::of(&contents.current.certificate)));
        }
        Ok(contents)
    }

    fn prune(&mut self, contents: &mut Contents, now: SystemTime) {
        self.admission.prune(contents, &self.live, now);
    }

    /// The contents from memory if possible, so that nothing changes for the API server. A new CA otherwise, beside
    /// those that the API server trusts now: other replicas may still serve what they signed.
    fn without_usable_secret(
        &mut self,
        unusable: &UnusableSecret,
        now: SystemTime,
    ) -> Result<Option<(Contents, StoreReason)>, AuthorityError> {
        let problem = unusable.to_string();
        if let Some(mut known) = self.contents.clone() {
            self.prune(&mut known, now);
            let is_revoked = self.admission.is_revoked(&known.current.certificate);
            if known.current.certificate.is_valid_at(now) && !is_revoked {
                return Ok(Some((known, StoreReason::Restored(problem))));
            }
            if let Some(mut rotated) =
                known.rotated(now).filter(|new| new.current.certificate.is_valid_at(now))
            {
                self.prune(&mut rotated, now);
                return Ok(Some((rotated, StoreReason::Rotated)));
            }
        }
        if matches!(self.configuration, Observed::Unknown) {
            return Ok(None);
        }
        let known = self.contents.iter().flat_map(Contents::trusted);
        let retired = known.chain(self.live.made_for(&self.settings.server_name)).cloned().collect();
        let mut created = Contents::with_current(self.generate(now)?, retired, now);
        self.prune(&mut created, now);
        Ok(Some((created, StoreReason::Created(problem))))
    }

    fn generate(&self, now: SystemTime) -> Result<Authority, AuthorityError> {
        Authority::generate(&self.settings.server_name, now, self.settings.ca_lifetime)
    }

    /// Notes since when every entry of the live configuration has had the next CA.
    fn note_bundled(&mut self, contents: &Contents, now: SystemTime) {
        let next = contents.next.as_ref().map(|next| &next.certificate);
        let live = next.filter(|next| self.live.all_have(next));
        self.next_bundled = live.map(|next| match self.next_bundled.take() {
            // A clock that was set back starts the wait again.
            Some(bundled) if bundled.ca == *next && bundled.since <= now => bundled,
            _ => BundledSince { ca: next.clone(), since: now },
        });
    }

    fn was_bundled(&self, ca: &Authority, now: SystemTime) -> bool {
        self.next_bundled.as_ref().is_some_and(|bundled| {
            let waited = now.duration_since(bundled.since).unwrap_or_default();
            bundled.ca == ca.certificate && waited >= self.settings.publish_delay
        })
    }

    /// Takes over the certificate of the serving Secret. If that is deleted, replicas go on with what they have mounted.
    fn read_leaf(&mut self, now: SystemTime) {
        let Some(Observed::Present(data)) = &self.serving_secret else { return };
        let CertificateSettings { server_name, leaf_lifetime, .. } = &self.settings;
        let known = self.contents.iter().flat_map(Contents::trusted);
        let signers = known.chain(self.live.made_for(server_name));
        let signers = signers.filter(|ca| !self.admission.is_revoked(ca)).cloned();
        match Leaf::from_data(data, signers, server_name, now, *leaf_lifetime) {
            Ok(leaf) => self.note_served(leaf, now),
            Err(unusable) => {
                self.unusable_leaf = unusable.to_string();
                self.leaf = None;
            }
        }
    }

    fn note_served(&mut self, leaf: Leaf, now: SystemTime) {
        self.served.note(&leaf.signer, self.serving_secret.is_some(), now);
        self.leaf = Some(leaf);
    }

    /// The contents, unless the CA that signs is revoked and nothing is there to replace it yet.
    fn usable(&self) -> Option<&Contents> {
        self.contents.as_ref().filter(|contents| !self.admission.is_revoked(&contents.current.certificate))
    }

    /// A new certificate, if one is due.
    fn sign(&mut self, now: SystemTime) -> Result<Option<Step>, AuthorityError> {
        let Some(contents) = self.usable() else { return Ok(None) };
        let signer = &contents.current;
        if !signer.certificate.is_valid_at(now) {
            // Nothing that it signs would be trusted; a new CA cannot be stored before this function is reached.
            return Ok(None);
        }
        let CertificateSettings { server_name, leaf_lifetime, .. } = &self.settings;
        match &self.serving_secret {
            None if self.is_due(&signer.certificate, now) => {
                let leaf = signer.sign(server_name, now, *leaf_lifetime)?;
                let credentials = leaf.credentials.clone();
                self.note_served(leaf, now);
                Ok(Some(Step::Serve(credentials)))
            }
            Some(Observed::Present(_)) => match self.is_due_in_secret(&signer.certificate, now) {
                Some(why) => {
                    Ok(Some(Step::StoreLeaf(signer.sign_as_data(server_name, now, *leaf_lifetime)?, why)))
                }
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// Whether the certificate in memory is missing, old or of an earlier CA.
    fn is_due(&self, signer: &CaCertificate, now: SystemTime) -> bool {
        let Some(leaf) = &self.leaf else { return true };
        if leaf.signer == *signer {
            return leaf.should_be_renewed(now);
        }
        // Else the API server does not trust the new CA yet, as after a Secret was replaced by hand.
        leaf.is_old(now)
            || !self.live.trust(leaf, &self.settings.server_name, now)
            || self.live.all_have(signer)
    }

    /// Why the certificate in the serving Secret is to be replaced. Replicas serve it without a look at the CA bundle, so a
    /// CA signs only once every entry has it, or if the certificate there is of the same CA.
    fn is_due_in_secret(&self, signer: &CaCertificate, now: SystemTime) -> Option<SignReason> {
        match &self.leaf {
            Some(leaf) if leaf.signer == *signer => {
                leaf.should_be_renewed(now).then_some(SignReason::Renewed)
            }
            _ if !self.live.all_have(signer) => None,
            Some(_) => Some(SignReason::OtherCa),
            None => Some(SignReason::New(self.unusable_leaf.clone())),
        }
    }

    fn publish(&self) -> Option<Step> {
        let entries = self.out_of_sync();
        let bundle = self.usable()?.bundle();
        (!entries.is_empty()).then_some(Step::PublishBundle { entries, bundle })
    }

    /// Index and name of the entries whose CA bundle is not as it should be. Empty as long as it is not known how it
    /// should be.
    #[must_use]
    pub fn out_of_sync(&self) -> Vec<(usize, String)> {
        let (Observed::Present(entries), Some(contents)) = (&self.configuration, self.usable()) else {
            return Vec::new();
        };
        let bundle = contents.bundle();
        let differs = |entry: &EntryBundle| entry.bundle != bundle.as_bytes();
        let entries = entries.iter().enumerate().filter(|(_, entry)| differs(entry));
        entries.map(|(index, entry)| (index, entry.name.clone())).collect()
    }
}
