//! Self-managed certificates, the part that talks to the API server: watches the Secrets and the webhook
//! configuration, and does what [`Machine`] says.
//!
//! Replicas need no leader, and neither do two keepers: a Secret is written only in the version that was read, so one of
//! them wins and the others read what it wrote; the CA bundle that they write is the same. While the API server is
//! away, what is held in memory is served and renewed.

mod objects;

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime},
};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use k8s_openapi::{
    ByteString,
    api::{admissionregistration::v1::MutatingWebhookConfiguration, core::v1::Secret},
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
    runtime::watcher::{self, watcher},
};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tracing::{info, warn};

use self::objects::{bundle_patch, data, entries, single};
use super::{
    trust_log,
    watch_backoff::{WatchUpdate, with_backoff},
    write_backoff::WriteBackoff,
};
use crate::{
    certs::{
        CertificateSettings, KEYS, LEAF_KEYS, Machine, REVOKED_ANNOTATION, SecretData, SignReason, Step,
        StoreReason, WriteTarget,
    },
    cluster::{
        call_limits::CONTROLLER_CALL,
        error::{describe, describe_watch, no_answer},
    },
    metrics::{Metrics, Rotation, Watch},
    serve::{
        readiness::{Gate, Trouble},
        tls::{Credentials, Serving},
    },
};

/// Who we are in `managedFields`.
const FIELD_MANAGER: &str = "gomemlimit-certificates";

/// Steps in a row, more than any sound sequence has.
const MAX_STEPS: usize = 16;

/// Where the shared CA is kept and published.
#[derive(Clone, Debug)]
pub struct ObjectNames {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Name of the Secret.
    pub secret: String,
    /// Name of the `MutatingWebhookConfiguration`.
    pub configuration: String,
}

/// Where certificates go that are signed.
#[derive(Clone, Debug)]
pub enum Outlet {
    /// They are served by this process.
    Served(Arc<Serving>),
    /// They are written into the Secret of this name, which replicas mount.
    Secret(String),
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
    /// Somebody else was faster; a watch event with what was written is on its way.
    #[error("written by somebody else meanwhile")]
    Conflict,
}

/// Keeps the certificates of one replica, or of all that mount a Secret, right for as long as it runs.
pub struct CertificateKeeper {
    machine: Machine,
    names: ObjectNames,
    secrets: Api<Secret>,
    configurations: Api<MutatingWebhookConfiguration>,
    /// The Secret in the version that was read last.
    secret: Option<Secret>,
    /// The Secret that replicas mount, likewise.
    serving_secret: Option<Secret>,
    outlet: Outlet,
    /// Set once the API server trusts what is served.
    pub trusted: Gate,
    /// What is wrong at the moment.
    pub trouble: Trouble,
    watching: BTreeMap<Watch, String>,
    writing: BTreeMap<WriteTarget, String>,
    backoffs: BTreeMap<WriteTarget, WriteBackoff>,
    tick: Duration,
    metrics: Metrics,
}

impl CertificateKeeper {
    /// Nothing is read or written before [`CertificateKeeper::run`].
    #[must_use]
    pub fn new(
        client: Client,
        settings: CertificateSettings,
        names: ObjectNames,
        tick: Duration,
        outlet: Outlet,
        metrics: Metrics,
    ) -> Self {
        Self {
            machine: match outlet {
                Outlet::Served(_) => Machine::new(settings),
                Outlet::Secret(_) => Machine::for_keeper(settings),
            },
            secrets: Api::namespaced(client.clone(), &names.namespace),
            configurations: Api::all(client),
            names,
            secret: None,
            serving_secret: None,
            outlet,
            trusted: Gate::default(),
            trouble: Trouble::default(),
            watching: BTreeMap::new(),
            writing: BTreeMap::new(),
            backoffs: BTreeMap::new(),
            tick,
            metrics,
        }
    }

    /// Runs until the future is dropped.
    pub async fn run(mut self) {
        // `resourceNames` in RBAC allow list and watch of one object by this selector.
        let only = |name: &str| watcher::Config::default().fields(&format!("metadata.name={name}"));
        let secrets = with_backoff(watcher(self.secrets.clone(), only(&self.names.secret)));
        let configurations =
            with_backoff(watcher(self.configurations.clone(), only(&self.names.configuration)));
        let mut secrets = std::pin::pin!(single(secrets));
        let mut configurations = std::pin::pin!(single(configurations));
        let mut serving: BoxStream<'_, _> = match &self.outlet {
            Outlet::Served(_) => stream::pending().boxed(),
            Outlet::Secret(name) => single(with_backoff(watcher(self.secrets.clone(), only(name)))).boxed(),
        };
        // Replicas that start together do not tick together.
        let first = Instant::now() + self.tick.mul_f64(fraction());
        let mut ticks = interval_at(first, self.tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut retry = None;
        loop {
            let due = retry.into_iter().chain(self.renewal()).min();
            tokio::select! {
                Some(secret) = secrets.next() => self.see(Watch::Secret, secret, Self::see_secret),
                Some(secret) = serving.next() => {
                    self.see(Watch::ServingSecret, secret, Self::see_serving_secret);
                }
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
        seen: Result<WatchUpdate<Option<T>>, watcher::Error>,
        take: impl FnOnce(&mut Self, Option<T>),
    ) {
        self.metrics.watch_up(watch, seen.is_ok());
        match seen {
            Ok(update) => {
                self.watching.remove(&watch);
                if let WatchUpdate::Event(object) = update {
                    take(self, object);
                }
            }
            Err(error) => {
                let problem = format!("cannot watch the {watch}: {}", describe_watch(&error));
                if self.watching.insert(watch, problem.clone()).is_none() {
                    warn!(%problem, "going on with what is known, trying again");
                }
            }
        }
    }

    fn see_secret(&mut self, secret: Option<Secret>) {
        let annotations = secret.as_ref().map(ResourceExt::annotations);
        self.machine
            .observe_revoked(annotations.and_then(|all| all.get(REVOKED_ANNOTATION)).map(String::as_str));
        self.machine.observe_secret(secret.as_ref().map(data));
        self.secret = secret;
    }

    fn see_serving_secret(&mut self, secret: Option<Secret>) {
        self.machine.observe_serving_secret(secret.as_ref().map(data));
        self.serving_secret = secret;
    }

    fn see_configuration(&mut self, configuration: Option<&MutatingWebhookConfiguration>) {
        self.machine.observe_configuration(configuration.map(entries));
    }

    /// Takes steps until nothing is left to do, or only what failed. When to try again where something has to be
    /// written and may not be yet; everything else waits for an event or the next tick.
    async fn reconcile(&mut self) -> Option<Instant> {
        // What cannot be written now, and when to try again. It does not keep the rest from being written.
        let mut later = BTreeMap::new();
        for _ in 0..MAX_STEPS {
            let blocked = later.keys().copied().collect();
            let step = self.machine.step_without(&blocked, SystemTime::now());
            trust_log::log(self.machine.take_changes());
            let step = match step {
                Ok(Some(step)) => step,
                Ok(None) => break,
                Err(error) => {
                    self.metrics.count_rotation(Rotation::Leaf, false);
                    warn!(%error, "cannot make a certificate; trying again");
                    break;
                }
            };
            let target = step.target();
            if let Some(target) = target
                && let Err(at) = self.backoff(target).ask()
            {
                later.insert(target, at);
                continue;
            }
            let done = match step {
                Step::Serve(credentials) => {
                    self.serve(credentials);
                    Ok(())
                }
                Step::StoreCa(data, why) => self.store(data, &why).await,
                Step::StoreLeaf(data, why) => self.deposit(data, &why).await,
                Step::PublishBundle { entries, bundle } => self.publish(&entries, &bundle).await,
            };
            match (done, target) {
                (Ok(()), _) | (Err(_), None) => {}
                (Err(WriteError::Conflict), _) => return later.into_values().min(),
                (Err(error), Some(target)) => {
                    later.insert(target, self.failed(target, error.to_string()));
                }
            }
        }
        self.writing.retain(|target, _| later.contains_key(target));
        later.into_values().min()
    }

    fn backoff(&mut self, target: WriteTarget) -> &mut WriteBackoff {
        self.backoffs.entry(target).or_insert_with(|| WriteBackoff::new(self.tick))
    }

    /// Each problem is logged once. When to try again.
    fn failed(&mut self, target: WriteTarget, problem: String) -> Instant {
        if self.writing.get(&target) != Some(&problem) {
            warn!(%problem, "cannot bring the certificates up to date; going on, trying again");
        }
        self.writing.insert(target, problem);
        self.backoff(target).failed()
    }

    fn serve(&self, credentials: Credentials) {
        let Outlet::Served(serving) = &self.outlet else { return };
        let expires = humantime::format_rfc3339_seconds(credentials.not_after());
        serving.replace(credentials);
        self.metrics.count_rotation(Rotation::Leaf, true);
        info!(%expires, "serving a new certificate");
    }

    async fn store(&mut self, ours: SecretData, why: &StoreReason) -> Result<(), WriteError> {
        let Some(mut secret) = self.secret.clone() else { return Ok(()) };
        let lost: Vec<_> = self.machine.unlisted_revocations().map(ToString::to_string).collect();
        if !lost.is_empty() {
            let listed = secret.annotations_mut().entry(REVOKED_ANNOTATION.to_owned()).or_default();
            let kept = (!listed.is_empty()).then(|| listed.clone());
            *listed = kept.into_iter().chain(lost).collect::<Vec<_>>().join(",");
        }
        let is_rotation = matches!(why, StoreReason::Created(_) | StoreReason::Rotated);
        let written = self.write(&self.names.secret, secret, &KEYS, ours).await;
        if is_rotation && !matches!(written, Err(WriteError::Conflict)) {
            self.metrics.count_rotation(Rotation::Ca, written.is_ok());
        }
        let secret = written?;
        info!(secret = %self.names.secret, %why, "wrote the certificate authority");
        self.see_secret(Some(secret));
        Ok(())
    }

    async fn deposit(&mut self, ours: SecretData, why: &SignReason) -> Result<(), WriteError> {
        let (Outlet::Secret(name), Some(secret)) = (&self.outlet, self.serving_secret.clone()) else {
            return Ok(());
        };
        let written = self.write(name, secret, &LEAF_KEYS, ours).await;
        if !matches!(written, Err(WriteError::Conflict)) {
            self.metrics.count_rotation(Rotation::Leaf, written.is_ok());
        }
        let secret = written?;
        info!(secret = %name, %why, "wrote the certificate that replicas serve");
        self.see_serving_secret(Some(secret));
        Ok(())
    }

    /// Replaces these keys of a Secret in the version that was read.
    async fn write(
        &self,
        name: &str,
        mut secret: Secret,
        keys: &[&str],
        ours: SecretData,
    ) -> Result<Secret, WriteError> {
        let data = secret.data.get_or_insert_default();
        data.retain(|key, _| !keys.contains(&key.as_str()));
        data.extend(ours.into_iter().map(|(key, value)| (key, ByteString(value))));
        let parameters =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        match call(self.secrets.replace(name, &parameters, &secret)).await {
            Err(WriteError::Api(kube::Error::Api(status))) if status.code == 409 => Err(WriteError::Conflict),
            written => written,
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
        let patched = call(self.configurations.patch(&self.names.configuration, &parameters, &patch)).await;
        self.metrics.count_bundle_patch(patched.is_ok());
        let configuration = patched?;
        let entries: Vec<&str> = entries.iter().map(|(_, name)| name.as_str()).collect();
        info!(configuration = %self.names.configuration, ?entries, "published the CA bundle");
        self.see_configuration(Some(&configuration));
        Ok(())
    }

    /// Reads the Secret again, and takes over what is new.
    async fn secret_changed(&mut self) -> Result<bool, WriteError> {
        let only = ListParams::default().fields(&format!("metadata.name={}", self.names.secret));
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
            info!("the API server trusts the certificate");
        }
        self.metrics.ca_bundle_out_of_sync.set(i64::from(!self.machine.out_of_sync().is_empty()));
        self.metrics.ca_bundle_certificates.set(i64::try_from(self.machine.trusted()).unwrap_or(i64::MAX));
        self.metrics.ca_expiry.set(seconds_of(self.machine.ca_expires()));
        if matches!(self.outlet, Outlet::Secret(_)) {
            self.metrics.certificate_expiry.set(seconds_of(self.machine.leaf_expires()));
        }
        let missing = self.machine.problems().into_iter().map(|trouble| trouble.to_string());
        let failing = self.watching.values().cloned().chain(self.writing.values().cloned());
        self.trouble.store(Arc::new(missing.chain(failing).collect()));
    }
}

/// At this time, or never.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

async fn call<T>(answer: impl Future<Output = Result<T, kube::Error>>) -> Result<T, WriteError> {
    Ok(timeout(CONTROLLER_CALL, answer).await.map_err(|_| WriteError::Timeout)??)
}

/// Since 1970; 0 if there is none.
fn seconds_of(time: Option<SystemTime>) -> i64 {
    let since = time.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Somewhere from 0 to 1.
fn fraction() -> f64 {
    let random = u32::try_from(RandomState::new().hash_one(0) >> 32).unwrap_or_default();
    f64::from(random) / f64::from(u32::MAX)
}
