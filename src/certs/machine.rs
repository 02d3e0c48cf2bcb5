//! The state machine: what is known in, the next thing to do out.

mod admission;
mod served;

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use self::{admission::Memory, served::Served};
use super::{
    authority::{Authority, AuthorityError},
    changes::Journal,
    contents::{Contents, Data, Unusable},
    fingerprint::{Fingerprint, Revocations},
    leaf::{Leaf, Signed},
    origin,
    step::{Entry, Step, Stored, Target, Trouble},
    trust::{CaCertificate, verifies},
};

/// What does not change while the process runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The one name that the API server calls us by: `<service>.<namespace>.svc`.
    pub server_name: String,
    /// Life of a CA.
    pub ca_life: Duration,
    /// Life of the certificate that is served.
    pub leaf_life: Duration,
    /// How long a CA has to be seen in the CA bundle before anything is signed with it.
    pub publish_delay: Duration,
}

/// An object in the cluster, as far as it is known.
#[derive(Clone, Debug)]
enum Seen<T> {
    NotYet,
    Missing,
    Present(T),
}

/// Since when the API server has been seen to trust a CA.
#[derive(Clone, Debug)]
struct Published {
    ca: CaCertificate,
    since: SystemTime,
}

/// All that one replica knows about the certificates.
#[derive(Debug)]
pub struct Machine {
    settings: Settings,
    secret: Seen<Data>,
    configuration: Seen<Vec<Entry>>,
    /// The CA bundles of its entries.
    live: Vec<Vec<CaCertificate>>,
    /// What was parsed last, and what it was parsed from.
    parsed: Option<(Data, Contents)>,
    /// The last usable contents of the Secret.
    held: Option<Contents>,
    published: Option<Published>,
    /// The Secret that replicas mount; `None` where the certificate is kept in memory.
    serving_secret: Option<Seen<Data>>,
    /// What is served: from memory, or what that Secret holds.
    leaf: Option<Leaf>,
    /// Why there is nothing in that Secret that can be served.
    unfit: String,
    /// The CAs of the certificates that replicas may still serve.
    served: Served,
    /// The list of revoked CAs, as it was seen last.
    annotation: Option<String>,
    revocations: Revocations,
    memory: Memory,
    journal: Journal,
}

impl Machine {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            secret: Seen::NotYet,
            configuration: Seen::NotYet,
            live: Vec::new(),
            parsed: None,
            held: None,
            published: None,
            serving_secret: None,
            leaf: None,
            unfit: String::new(),
            served: Served::default(),
            annotation: None,
            revocations: Revocations::default(),
            memory: Memory::default(),
            journal: Journal::default(),
        }
    }

    /// The same for a keeper, which serves nothing itself: certificates go to the Secret that replicas mount.
    #[must_use]
    pub fn of_keeper(settings: Settings) -> Self {
        Self { serving_secret: Some(Seen::NotYet), ..Self::new(settings) }
    }

    /// The Secret as it is now; `None` where there is none.
    pub fn see_secret(&mut self, data: Option<Data>) {
        self.secret = data.map_or(Seen::Missing, Seen::Present);
    }

    /// The Secret that replicas mount as it is now; `None` where there is none.
    pub fn see_serving_secret(&mut self, data: Option<Data>) {
        self.serving_secret = Some(data.map_or(Seen::Missing, Seen::Present));
    }

    /// The entries of the webhook configuration as they are now; `None` where there is none.
    pub fn see_configuration(&mut self, entries: Option<Vec<Entry>>) {
        let bundles = entries.iter().flatten().map(|entry| CaCertificate::all_from_pem(&entry.bundle));
        self.live = bundles.collect();
        self.configuration = entries.map_or(Seen::Missing, Seen::Present);
    }

    /// The next thing to do at `now`; `None` when everything is as it should be, or cannot be mended by us.
    ///
    /// What a step did has to be told with `see_…` before the next call.
    pub fn step(&mut self, now: SystemTime) -> Result<Option<Step>, AuthorityError> {
        self.step_besides(&BTreeSet::new(), now)
    }

    /// The same, besides what cannot be written at the moment, which must not keep the rest from being done.
    pub fn step_besides(
        &mut self,
        besides: &BTreeSet<Target>,
        now: SystemTime,
    ) -> Result<Option<Step>, AuthorityError> {
        self.read_leaf(now);
        let stored = match self.secret.clone() {
            Seen::Present(data) => self.reconcile_secret(&data, now)?,
            Seen::NotYet | Seen::Missing => None,
        };
        if let Some((contents, why)) = stored.filter(|_| !besides.contains(&Target::Authority)) {
            return Ok(Some(Step::Store(contents.to_data(), why)));
        }
        // Once more with the CAs of the Secret.
        self.read_leaf(now);
        if !besides.contains(&Target::Certificate)
            && let Some(step) = self.sign(now)?
        {
            return Ok(Some(step));
        }
        Ok(self.publish().filter(|_| !besides.contains(&Target::Bundle)))
    }

    /// What the Secret should hold instead, if anything.
    fn reconcile_secret(
        &mut self,
        data: &Data,
        now: SystemTime,
    ) -> Result<Option<(Contents, Stored)>, AuthorityError> {
        let mut contents = match self.read(data, now) {
            Ok(contents) => contents,
            Err(unusable) => return self.without_usable_secret(&unusable, now),
        };
        // Another CA was put there by hand: what we serve stays trusted until it is replaced.
        let served = self.served.missing_in(&contents, self.settings.leaf_life, now);
        if !served.is_empty() {
            contents.retired.extend(served);
            self.sift(&mut contents, now);
        }
        self.hold(contents.clone(), now);
        self.note_publication(&contents, now);
        if now >= contents.signer.replace_at(self.settings.ca_life) {
            match &contents.next {
                None => {
                    let next = Some(self.mint(now)?);
                    return Ok(Some((Contents { next, ..contents }, Stored::Announced)));
                }
                Some(next) if self.was_published(next, now) => {
                    return Ok(contents.promoted(now).map(|promoted| (promoted, Stored::Promoted)));
                }
                Some(_) => {}
            }
        }
        let tidy = contents.is_said_by(data);
        Ok((!tidy).then_some((contents, Stored::Tidied)))
    }

    /// Parses the Secret, unless it was parsed before: to try a CA means to make keys.
    fn read(&mut self, data: &Data, now: SystemTime) -> Result<Contents, Unusable> {
        let mut contents = match &self.parsed {
            Some((known, contents)) if known == data && contents.is_usable_at(now) => contents.clone(),
            _ => {
                let (contents, refused) = Contents::parse(data, &self.settings.server_name, now)?;
                for (ca, why) in refused {
                    self.journal.refuse(ca, why);
                }
                self.parsed = Some((data.clone(), contents.clone()));
                contents
            }
        };
        self.sift(&mut contents, now);
        if self.revocations.has(&contents.signer.certificate) {
            return Err(Unusable::Revoked(Fingerprint::of(&contents.signer.certificate)));
        }
        Ok(contents)
    }

    /// From memory where possible, so that nothing changes for the API server. A new CA otherwise, beside
    /// those that the API server trusts now: other replicas may still serve what they signed.
    fn without_usable_secret(
        &mut self,
        unusable: &Unusable,
        now: SystemTime,
    ) -> Result<Option<(Contents, Stored)>, AuthorityError> {
        let problem = unusable.to_string();
        if let Some(mut held) = self.held.clone() {
            self.sift(&mut held, now);
            let is_revoked = self.revocations.has(&held.signer.certificate);
            if held.signer.certificate.is_valid_at(now) && !is_revoked {
                return Ok(Some((held, Stored::Restored(problem))));
            }
            if let Some(mut promoted) =
                held.promoted(now).filter(|new| new.signer.certificate.is_valid_at(now))
            {
                self.sift(&mut promoted, now);
                return Ok(Some((promoted, Stored::Promoted)));
            }
        }
        if matches!(self.configuration, Seen::NotYet) {
            return Ok(None);
        }
        let server_name = &self.settings.server_name;
        let held = self.held.iter().flat_map(|held| held.trusted().cloned());
        let live = self.live.iter().flatten().filter(|ca| origin::check(ca, server_name).is_ok());
        let mut minted = Contents::replaced(self.mint(now)?, held.chain(live.cloned()).collect(), now);
        self.sift(&mut minted, now);
        Ok(Some((minted, Stored::Minted(problem))))
    }

    fn mint(&self, now: SystemTime) -> Result<Authority, AuthorityError> {
        Authority::mint(&self.settings.server_name, now, self.settings.ca_life)
    }

    /// Notes since when every entry of the live configuration has had the next CA.
    fn note_publication(&mut self, contents: &Contents, now: SystemTime) {
        let next = contents.next.as_ref().map(|next| &next.certificate);
        let live = next.filter(|next| self.is_published(next));
        self.published = live.map(|next| match self.published.take() {
            // A clock that was set back starts the wait again.
            Some(published) if published.ca == *next && published.since <= now => published,
            _ => Published { ca: next.clone(), since: now },
        });
    }

    fn was_published(&self, ca: &Authority, now: SystemTime) -> bool {
        self.published.as_ref().is_some_and(|published| {
            let waited = now.duration_since(published.since).unwrap_or_default();
            published.ca == ca.certificate && waited >= self.settings.publish_delay
        })
    }

    /// Takes over what the serving Secret holds. Where that is deleted, replicas go on with what they have mounted.
    fn read_leaf(&mut self, now: SystemTime) {
        let Some(Seen::Present(data)) = &self.serving_secret else { return };
        let Settings { server_name, leaf_life, .. } = &self.settings;
        let held = self.held.iter().flat_map(Contents::trusted);
        let live = self.live.iter().flatten().filter(|ca| origin::check(ca, server_name).is_ok());
        let signers = held.chain(live).filter(|ca| !self.revocations.has(ca)).cloned();
        match Leaf::from_data(data, signers, server_name, now, *leaf_life) {
            Ok(leaf) => self.note_served(leaf, now),
            Err(unfit) => {
                self.unfit = unfit.to_string();
                self.leaf = None;
            }
        }
    }

    fn note_served(&mut self, leaf: Leaf, now: SystemTime) {
        self.served.note(&leaf.signer, self.serving_secret.is_some(), now);
        self.leaf = Some(leaf);
    }

    /// A new certificate, where one is due.
    fn sign(&mut self, now: SystemTime) -> Result<Option<Step>, AuthorityError> {
        let Some(held) = self.usable() else { return Ok(None) };
        let signer = &held.signer;
        if !signer.certificate.is_valid_at(now) {
            // Nothing that it signs would be trusted; a new CA cannot be stored as long as we are here.
            return Ok(None);
        }
        let Settings { server_name, leaf_life, .. } = &self.settings;
        match &self.serving_secret {
            None if self.is_due(&signer.certificate, now) => {
                let leaf = signer.sign(server_name, now, *leaf_life)?;
                let credentials = leaf.credentials.clone();
                self.note_served(leaf, now);
                Ok(Some(Step::Serve(credentials)))
            }
            Some(Seen::Present(_)) => match self.is_due_in_secret(&signer.certificate, now) {
                Some(why) => Ok(Some(Step::Deposit(signer.sign_as_data(server_name, now, *leaf_life)?, why))),
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// Whether a certificate of our own is missing, old or of an earlier CA.
    fn is_due(&self, signer: &CaCertificate, now: SystemTime) -> bool {
        let Some(leaf) = &self.leaf else { return true };
        if leaf.signer == *signer {
            return leaf.should_be_renewed(now);
        }
        // Else the API server does not trust the new CA yet, as after a Secret was replaced by hand.
        leaf.is_old(now) || !self.is_trusted(leaf, now) || self.is_published(signer)
    }

    /// Why the certificate in the serving Secret is to be replaced. Nobody looks there whether it is trusted before it is
    /// served, so a CA signs only once it is published; or if what is there is of the same CA.
    fn is_due_in_secret(&self, signer: &CaCertificate, now: SystemTime) -> Option<Signed> {
        match &self.leaf {
            Some(leaf) if leaf.signer == *signer => leaf.should_be_renewed(now).then_some(Signed::Renewed),
            _ if !self.is_published(signer) => None,
            Some(_) => Some(Signed::OtherCa),
            None => Some(Signed::New(self.unfit.clone())),
        }
    }

    fn is_published(&self, ca: &CaCertificate) -> bool {
        self.every_live_bundle(|bundle| bundle.contains(ca))
    }

    /// Whether every entry of the live configuration verifies `leaf`.
    fn is_trusted(&self, leaf: &Leaf, now: SystemTime) -> bool {
        self.every_live_bundle(|bundle| verifies(bundle, &leaf.certificate, &self.settings.server_name, now))
    }

    fn every_live_bundle(&self, holds: impl Fn(&[CaCertificate]) -> bool) -> bool {
        !self.live.is_empty() && self.live.iter().all(|bundle| holds(bundle))
    }

    fn publish(&self) -> Option<Step> {
        let entries = self.out_of_sync();
        let bundle = self.usable()?.bundle();
        (!entries.is_empty()).then_some(Step::Publish { entries, bundle })
    }

    /// The entries whose CA bundle is not what it should be, by place and name.
    ///
    /// Empty as long as it is not known what it should be.
    #[must_use]
    pub fn out_of_sync(&self) -> Vec<(usize, String)> {
        let (Seen::Present(entries), Some(held)) = (&self.configuration, self.usable()) else {
            return Vec::new();
        };
        let bundle = held.bundle();
        let differs = |entry: &Entry| entry.bundle != bundle.as_bytes();
        let places = entries.iter().enumerate().filter(|(_, entry)| differs(entry));
        places.map(|(place, entry)| (place, entry.name.clone())).collect()
    }

    /// Whether the API server, as it is configured now, trusts what we serve.
    #[must_use]
    pub fn is_verified(&self, now: SystemTime) -> bool {
        self.leaf.as_ref().is_some_and(|leaf| self.is_trusted(leaf, now))
    }

    /// When the certificate that is served should be renewed.
    #[must_use]
    pub fn renew_at(&self) -> Option<SystemTime> {
        self.leaf.as_ref().map(|leaf| leaf.renew_at)
    }

    /// When the certificate that is served expires.
    #[must_use]
    pub fn leaf_expires(&self) -> Option<SystemTime> {
        self.leaf.as_ref().map(|leaf| leaf.credentials.not_after())
    }

    /// When the CA that signs expires.
    #[must_use]
    pub fn ca_expires(&self) -> Option<SystemTime> {
        self.held.as_ref().map(|held| held.signer.certificate.not_after)
    }

    /// What somebody else has to mend.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        let secret = matches!(self.secret, Seen::Missing).then_some(Trouble::SecretMissing);
        let serving =
            matches!(self.serving_secret, Some(Seen::Missing)).then_some(Trouble::ServingSecretMissing);
        let configuration =
            matches!(self.configuration, Seen::Missing).then_some(Trouble::ConfigurationMissing);
        secret.into_iter().chain(serving).chain(configuration).collect()
    }
}
