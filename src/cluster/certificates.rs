//! Self-managed certificates, the part that talks to the API server: watches the Secret and the webhook
//! configuration, and does what [`Machine`] says.
//!
//! Replicas need no leader: the Secret is written only in the version that was read, so one of them wins
//! and the others read what it wrote; the CA bundle that they write is the same. While the API server is
//! away, what is held in memory is served and renewed.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime},
};

use futures::{Stream, StreamExt};
use k8s_openapi::{
    ByteString,
    api::{admissionregistration::v1::MutatingWebhookConfiguration, core::v1::Secret},
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
    runtime::watcher::{self, Event, watcher},
};
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tracing::{info, warn};

use super::{
    client::CALL,
    failure::{describe, describe_watch, no_answer},
    pace::Pace,
    patience::{Heard, patient},
    trust_log,
};
use crate::{
    certs::{Data, Entry, KEYS, Machine, REVOKED_ANNOTATION, Settings, Step, Stored},
    metrics::{Metrics, Rotation, Watch},
    serve::{
        readiness::{Gate, Trouble},
        tls::Serving,
    },
};

/// Who we are in `managedFields`.
const FIELD_MANAGER: &str = "gomemlimit-certificates";

/// Steps in a row, more than any sound sequence has.
const MOST_STEPS: usize = 16;

/// Where the shared CA is kept and published.
#[derive(Clone, Debug)]
pub struct Places {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Name of the Secret.
    pub secret: String,
    /// Name of the `MutatingWebhookConfiguration`.
    pub configuration: String,
}

/// Why a write did not happen.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error("{}", describe(.0))]
    Api(#[from] kube::Error),
    #[error("{}", no_answer())]
    Timeout,
    #[error("cannot build the patch: {0}")]
    Patch(#[from] serde_json::Error),
    /// Another replica was faster; a watch event with what it wrote is on its way.
    #[error("written by another replica meanwhile")]
    Conflict,
}

/// Keeps the certificates of one replica right for as long as it runs.
pub struct CertificateKeeper {
    machine: Machine,
    places: Places,
    secrets: Api<Secret>,
    configurations: Api<MutatingWebhookConfiguration>,
    /// The Secret in the version that was read last.
    secret: Option<Secret>,
    serving: Arc<Serving>,
    /// Set once the API server trusts what we serve.
    pub trusted: Gate,
    /// What is wrong at the moment.
    pub trouble: Trouble,
    watching: BTreeMap<Watch, String>,
    writing: Option<String>,
    pace: Pace,
    tick: Duration,
    metrics: Metrics,
}

impl CertificateKeeper {
    /// Nothing is read or written before [`CertificateKeeper::run`].
    #[must_use]
    pub fn new(
        client: Client,
        settings: Settings,
        places: Places,
        tick: Duration,
        serving: Arc<Serving>,
        metrics: Metrics,
    ) -> Self {
        Self {
            machine: Machine::new(settings),
            secrets: Api::namespaced(client.clone(), &places.namespace),
            configurations: Api::all(client),
            places,
            secret: None,
            serving,
            trusted: Gate::default(),
            trouble: Trouble::default(),
            watching: BTreeMap::new(),
            writing: None,
            pace: Pace::new(tick),
            tick,
            metrics,
        }
    }

    /// Runs until the future is dropped.
    pub async fn run(mut self) {
        // `resourceNames` in RBAC allow list and watch of one object by this selector.
        let only = |name: &str| watcher::Config::default().fields(&format!("metadata.name={name}"));
        let secrets = patient(watcher(self.secrets.clone(), only(&self.places.secret)));
        let configurations = patient(watcher(self.configurations.clone(), only(&self.places.configuration)));
        let mut secrets = std::pin::pin!(single(secrets));
        let mut configurations = std::pin::pin!(single(configurations));
        // Replicas that start together do not tick together.
        let first = Instant::now() + self.tick.mul_f64(fraction());
        let mut ticks = interval_at(first, self.tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut retry = None;
        loop {
            let due = retry.into_iter().chain(self.renewal()).min();
            tokio::select! {
                Some(secret) = secrets.next() => self.see(Watch::Secret, secret, Self::see_secret),
                Some(configuration) = configurations.next() => {
                    self.see(Watch::WebhookConfiguration, configuration, |this, object| {
                        this.see_configuration(object.as_ref());
                    });
                }
                _ = ticks.tick() => {}
                () = until(due) => {}
            }
            retry = self.reconcile().await;
            self.report(SystemTime::now());
        }
    }

    /// When our own certificate is renewed, which no watch and no tick may be there to notice. What
    /// cannot be renewed when it should be waits for the next tick.
    fn renewal(&self) -> Option<Instant> {
        let left = self.machine.renew_at()?.duration_since(SystemTime::now()).ok()?;
        Instant::now().checked_add(left)
    }

    fn see<T>(
        &mut self,
        watch: Watch,
        seen: Result<Heard<Option<T>>, watcher::Error>,
        take: impl FnOnce(&mut Self, Option<T>),
    ) {
        self.metrics.watch_up(watch, seen.is_ok());
        match seen {
            Ok(heard) => {
                self.watching.remove(&watch);
                if let Heard::Event(object) = heard {
                    take(self, object);
                }
            }
            Err(error) => {
                let problem = format!("cannot watch the {watch}: {}", describe_watch(&error));
                if self.watching.insert(watch, problem.clone()).is_none() {
                    warn!(%problem, "serving on with what is known, trying again");
                }
            }
        }
    }

    fn see_secret(&mut self, secret: Option<Secret>) {
        let annotations = secret.as_ref().map(ResourceExt::annotations);
        self.machine.see_revoked(annotations.and_then(|all| all.get(REVOKED_ANNOTATION)).map(String::as_str));
        self.machine.see_secret(secret.as_ref().map(data));
        self.secret = secret;
    }

    fn see_configuration(&mut self, configuration: Option<&MutatingWebhookConfiguration>) {
        self.machine.see_configuration(configuration.map(entries));
    }

    /// Takes steps until there is nothing left to do, or one of them fails. When to try again where something has to
    /// be written and may not be yet; everything else waits for an event or the next tick.
    async fn reconcile(&mut self) -> Option<Instant> {
        for _ in 0..MOST_STEPS {
            let step = self.machine.step(SystemTime::now());
            trust_log::log(self.machine.take_changes());
            let step = match step {
                Ok(Some(step)) => step,
                Ok(None) => {
                    self.writing = None;
                    return None;
                }
                Err(error) => {
                    self.metrics.count_rotation(Rotation::Leaf, false);
                    warn!(%error, "cannot make a certificate; trying again");
                    return None;
                }
            };
            if matches!(step, Step::Store(..) | Step::Publish { .. })
                && let Err(at) = self.pace.ask()
            {
                return Some(at);
            }
            let done = match step {
                Step::Serve(credentials) => {
                    let expires = humantime::format_rfc3339_seconds(credentials.not_after());
                    self.serving.replace(credentials);
                    self.metrics.count_rotation(Rotation::Leaf, true);
                    info!(%expires, "serving a new certificate");
                    Ok(())
                }
                Step::Store(data, why) => self.store(data, &why).await,
                Step::Publish { entries, bundle } => self.publish(&entries, &bundle).await,
            };
            match done {
                Ok(()) => {}
                Err(WriteError::Conflict) => return None,
                Err(error) => {
                    let problem = error.to_string();
                    if self.writing.as_ref() != Some(&problem) {
                        warn!(%problem, "cannot bring the certificates up to date; serving on, trying again");
                    }
                    self.writing = Some(problem);
                    return Some(self.pace.failed());
                }
            }
        }
        None
    }

    async fn store(&mut self, ours: Data, why: &Stored) -> Result<(), WriteError> {
        let Some(mut secret) = self.secret.clone() else { return Ok(()) };
        let data = secret.data.get_or_insert_default();
        data.retain(|key, _| !KEYS.contains(&key.as_str()));
        data.extend(ours.into_iter().map(|(key, value)| (key, ByteString(value))));
        let lost: Vec<_> = self.machine.unlisted_revocations().map(ToString::to_string).collect();
        if !lost.is_empty() {
            let listed = secret.annotations_mut().entry(REVOKED_ANNOTATION.to_owned()).or_default();
            let kept = (!listed.is_empty()).then(|| listed.clone());
            *listed = kept.into_iter().chain(lost).collect::<Vec<_>>().join(",");
        }
        let parameters =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let written = call(self.secrets.replace(&self.places.secret, &parameters, &secret)).await;
        let is_rotation = matches!(why, Stored::Minted(_) | Stored::Promoted);
        match written {
            Ok(secret) => {
                if is_rotation {
                    self.metrics.count_rotation(Rotation::Ca, true);
                }
                info!(secret = %self.places.secret, %why, "wrote the certificate authority");
                self.see_secret(Some(secret));
                Ok(())
            }
            Err(WriteError::Api(kube::Error::Api(status))) if status.code == 409 => Err(WriteError::Conflict),
            Err(error) => {
                if is_rotation {
                    self.metrics.count_rotation(Rotation::Ca, false);
                }
                Err(error)
            }
        }
    }

    async fn publish(&mut self, entries: &[(usize, String)], bundle: &str) -> Result<(), WriteError> {
        // After a pause of this process the watch may still owe us a newer CA; never publish an older one.
        if self.secret_changed().await? {
            return Ok(());
        }
        let parameters =
            PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patch = Patch::Json::<()>(bundle_patch(entries, bundle)?);
        let patched = call(self.configurations.patch(&self.places.configuration, &parameters, &patch)).await;
        self.metrics.count_bundle_patch(patched.is_ok());
        let configuration = patched?;
        let entries: Vec<&str> = entries.iter().map(|(_, name)| name.as_str()).collect();
        info!(configuration = %self.places.configuration, ?entries, "published the CA bundle");
        self.see_configuration(Some(&configuration));
        Ok(())
    }

    /// Reads the Secret again, and takes over what is new.
    async fn secret_changed(&mut self) -> Result<bool, WriteError> {
        let only = ListParams::default().fields(&format!("metadata.name={}", self.places.secret));
        let current = call(self.secrets.list(&only)).await?.items.into_iter().next();
        let version = |secret: &Option<Secret>| secret.as_ref().and_then(ResourceExt::resource_version);
        let changed = version(&current) != version(&self.secret);
        if changed {
            self.see_secret(current);
        }
        Ok(changed)
    }

    fn report(&self, now: SystemTime) {
        if self.machine.is_verified(now) && !self.trusted.swap(true, Ordering::Relaxed) {
            info!("the API server trusts our certificate");
        }
        self.metrics.ca_bundle_out_of_sync.set(i64::from(!self.machine.out_of_sync().is_empty()));
        self.metrics.ca_bundle_certificates.set(i64::try_from(self.machine.trusted()).unwrap_or(i64::MAX));
        let expiry = self.machine.ca_expires().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        let seconds = expiry.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
        self.metrics.ca_expiry.set(seconds);
        let missing = self.machine.troubles().into_iter().map(|trouble| trouble.to_string());
        let failing = self.watching.values().cloned().chain(self.writing.clone());
        self.trouble.store(Arc::new(missing.chain(failing).collect()));
    }
}

/// The one object of a watch by name: `None` once it is known that there is none.
fn single<T>(
    events: impl Stream<Item = Result<Heard<Event<T>>, watcher::Error>>,
) -> impl Stream<Item = Result<Heard<Option<T>>, watcher::Error>> {
    // A list begins with `Init`, and is complete with `InitDone`.
    let mut listed = false;
    events.filter_map(move |event| {
        let object = match event {
            Ok(Heard::Event(Event::Init)) => {
                listed = false;
                None
            }
            Ok(Heard::Event(Event::InitApply(object) | Event::Apply(object))) => {
                listed = true;
                Some(Ok(Heard::Event(Some(object))))
            }
            Ok(Heard::Event(Event::InitDone)) => (!listed).then_some(Ok(Heard::Event(None))),
            Ok(Heard::Event(Event::Delete(_))) => Some(Ok(Heard::Event(None))),
            Ok(Heard::Resumed) => Some(Ok(Heard::Resumed)),
            Err(error) => Some(Err(error)),
        };
        std::future::ready(object)
    })
}

/// At this time, or never.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

async fn call<T>(answer: impl Future<Output = Result<T, kube::Error>>) -> Result<T, WriteError> {
    Ok(timeout(CALL, answer).await.map_err(|_| WriteError::Timeout)??)
}

fn data(secret: &Secret) -> Data {
    let data = secret.data.iter().flatten();
    data.map(|(key, value)| (key.clone(), value.0.clone())).collect()
}

fn entries(configuration: &MutatingWebhookConfiguration) -> Vec<Entry> {
    let entries = configuration.webhooks.iter().flatten();
    entries
        .map(|entry| Entry {
            name: entry.name.clone(),
            bundle: entry.client_config.ca_bundle.as_ref().map(|bundle| bundle.0.clone()).unwrap_or_default(),
        })
        .collect()
}

/// JSON Patch, not server-side apply, which would create an entry that somebody renamed meanwhile.
fn bundle_patch(entries: &[(usize, String)], bundle: &str) -> Result<json_patch::Patch, serde_json::Error> {
    let bundle = ByteString(bundle.as_bytes().to_vec());
    let operations = entries.iter().flat_map(|(place, name)| {
        [
            json!({"op": "test", "path": format!("/webhooks/{place}/name"), "value": name}),
            json!({"op": "add", "path": format!("/webhooks/{place}/clientConfig/caBundle"), "value": bundle}),
        ]
    });
    serde_json::from_value(operations.collect())
}

/// Somewhere from 0 to 1.
fn fraction() -> f64 {
    let random = u32::try_from(RandomState::new().hash_one(0) >> 32).unwrap_or_default();
    f64::from(random) / f64::from(u32::MAX)
}
