//! The state machine: what is known in, the next thing to do out.

mod admission;

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use self::admission::Memory;
use super::{
    authority::{Authority, AuthorityError, Leaf},
    changes::Journal,
    contents::{Contents, Data, Unusable},
    fingerprint::{Fingerprint, Revocations},
    origin,
    trust::{CaCertificate, verifies},
};
use crate::serve::tls::Credentials;

/// What does not change while the process runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The one name that the API server calls us by: `<service>.<namespace>.svc`.
    pub server_name: String,
    /// Life of a CA.
    pub ca_life: Duration,
    /// Life of a replica's own certificate.
    pub leaf_life: Duration,
    /// How long a CA has to be seen in the CA bundle before anything is signed with it.
    pub publish_delay: Duration,
}

/// One entry of the webhook configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its CA bundle, PEM text.
    pub bundle: Vec<u8>,
}

/// The next thing to do.
#[derive(Clone, Debug)]
pub enum Step {
    /// Write this into the Secret, provided that nobody else did meanwhile.
    Store(Data, Stored),
    /// Write this CA bundle into the entries at these places, provided that they still have these names.
    Publish {
        /// Place and name.
        entries: Vec<(usize, String)>,
        /// PEM text.
        bundle: String,
    },
    /// Serve this from the next connection on.
    Serve(Credentials),
}

/// Why the Secret is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// There was no usable CA, for this reason: a new one.
    Minted(String),
    /// The Secret lost, in this way, what this replica still has.
    Restored(String),
    /// The CA is old: the next one, to be published first.
    Announced,
    /// The next CA has been published long enough and signs from now on.
    Promoted,
    /// What expired is dropped, and what replicas still serve is trusted.
    Tidied,
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minted(problem) => write!(f, "a new CA, since {problem}"),
            Self::Restored(problem) => write!(f, "the CA from memory, since {problem}"),
            Self::Announced => f.write_str("the next CA, to be trusted before it signs"),
            Self::Promoted => f.write_str("the next CA signs from now on"),
            Self::Tidied => f.write_str("the trusted CAs brought up to date"),
        }
    }
}

/// What keeps us from going on, though nothing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// We may not create Secrets.
    SecretMissing,
    /// An uninstall, or somebody's emergency stop: never made anew.
    ConfigurationMissing,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SecretMissing => "the Secret of the CA does not exist; `helm upgrade` restores it",
            Self::ConfigurationMissing => {
                "the webhook configuration does not exist, so no pod is sent here; `helm upgrade` restores it"
            }
        })
    }
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
    leaf: Option<Leaf>,
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
            leaf: None,
            annotation: None,
            revocations: Revocations::default(),
            memory: Memory::default(),
            journal: Journal::default(),
        }
    }

    /// The Secret as it is now; `None` where there is none.
    pub fn see_secret(&mut self, data: Option<Data>) {
        self.secret = data.map_or(Seen::Missing, Seen::Present);
    }

    /// The entries of the webhook configuration as they are now; `None` where there is none.
    pub fn see_configuration(&mut self, entries: Option<Vec<Entry>>) {
        let bundles = entries.iter().flatten().map(|entry| CaCertificate::all_from_pem(&entry.bundle));
        self.live = bundles.collect();
        self.configuration = entries.map_or(Seen::Missing, Seen::Present);
    }

    /// The next thing to do at `now`; `None` when everything is as it should be, or cannot be mended by us.
    ///
    /// What a step did has to be told with `see_secret` and `see_configuration` before the next call.
    pub fn step(&mut self, now: SystemTime) -> Result<Option<Step>, AuthorityError> {
        let stored = match self.secret.clone() {
            Seen::Present(data) => self.reconcile_secret(&data, now)?,
            Seen::NotYet | Seen::Missing => None,
        };
        if let Some((contents, why)) = stored {
            return Ok(Some(Step::Store(contents.to_data(), why)));
        }
        if let Some(leaf) = self.new_leaf(now)? {
            let credentials = leaf.credentials.clone();
            self.leaf = Some(leaf);
            return Ok(Some(Step::Serve(credentials)));
        }
        Ok(self.publish())
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
        if let Some(leaf) = &self.leaf
            && !contents.trusted().any(|ca| *ca == leaf.signer)
        {
            contents.retired.push(leaf.signer.clone());
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
        let live = next.filter(|next| self.every_live_bundle(|bundle| bundle.contains(next)));
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

    /// A new certificate of our own, where the present one is old or of an earlier CA.
    fn new_leaf(&self, now: SystemTime) -> Result<Option<Leaf>, AuthorityError> {
        let Some(held) = self.usable() else { return Ok(None) };
        let signer = &held.signer.certificate;
        if let Some(leaf) = &self.leaf {
            let renew = now >= leaf.renew_at || !leaf.credentials.is_valid_at(now);
            // None lives longer than its CA, so at the end of a CA there is nothing to gain.
            let gains = leaf.credentials.not_after() < signer.not_after;
            if leaf.signer == *signer && !(renew && gains) {
                return Ok(None);
            }
            // The API server does not trust the new CA yet, as after a Secret was replaced by hand.
            if !renew && self.is_trusted(leaf, now) && !self.every_live_bundle(|live| live.contains(signer)) {
                return Ok(None);
            }
        }
        if !signer.is_valid_at(now) {
            // Nothing that it signs would be trusted; a new CA cannot be stored as long as we are here.
            return Ok(None);
        }
        let leaf = held.signer.sign(&self.settings.server_name, now, self.settings.leaf_life)?;
        Ok(Some(leaf))
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

    /// When the CA that signs expires.
    #[must_use]
    pub fn ca_expires(&self) -> Option<SystemTime> {
        self.held.as_ref().map(|held| held.signer.certificate.not_after)
    }

    /// What somebody else has to mend.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        let secret = matches!(self.secret, Seen::Missing).then_some(Trouble::SecretMissing);
        let configuration =
            matches!(self.configuration, Seen::Missing).then_some(Trouble::ConfigurationMissing);
        secret.into_iter().chain(configuration).collect()
    }
}
