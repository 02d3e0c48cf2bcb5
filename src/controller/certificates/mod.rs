//! Self-managed certificates, the part that talks to the API server: watches the Secrets and the webhook
//! configuration, and does the steps of [`Machine`].
//!
//! Replicas need no leader, and neither do two keepers: a Secret is written only in the version that was read, so one of
//! them wins and the others read what it wrote; the CA bundle that they write is the same. While the API server is
//! away, what is held in memory is served and renewed.

mod objects;
mod write_error;
mod writes;

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
use k8s_openapi::api::{admissionregistration::v1::MutatingWebhookConfiguration, core::v1::Secret};
use kube::{
    Api, Client, ResourceExt,
    runtime::watcher::{self, watcher},
};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tracing::{info, warn};

use self::{
    objects::{data, entries, single},
    write_error::WriteError,
};
use super::{
    trust_log,
    watch_backoff::{WatchUpdate, with_backoff},
    write_backoff::WriteBackoff,
};
use crate::{
    certs::{CertificateSettings, Machine, REVOKED_ANNOTATION, Step, WriteTarget},
    cluster::error::describe_watch,
    metrics::{Metrics, Rotation, Watch},
    serve::{
        readiness::{Degraded, Flag},
        tls::{Credentials, Serving},
    },
};

/// Maximum number of steps in a row; no sound sequence has as many.
const MAX_STEPS: usize = 16;

/// Names of the objects that the shared CA is kept in and published by.
#[derive(Clone, Debug)]
pub struct ObjectNames {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Name of the Secret.
    pub secret: String,
    /// Name of the `MutatingWebhookConfiguration`.
    pub configuration: String,
}

/// The destination of certificates that are signed.
#[derive(Clone, Debug)]
pub enum LeafDestination {
    /// They are served by this process.
    Served(Arc<Serving>),
    /// They are written into the Secret of this name, which replicas mount.
    Secret(String),
}

/// Keeps the certificates of one replica, or of all replicas that mount a Secret, current as long as it runs.
pub struct CertificateKeeper {
    machine: Machine,
    names: ObjectNames,
    secrets: Api<Secret>,
    configurations: Api<MutatingWebhookConfiguration>,
    /// The Secret of the CA, in the version that was read last.
    secret: Option<Secret>,
    /// The Secret that replicas mount, in the version that was read last.
    serving_secret: Option<Secret>,
    destination: LeafDestination,
    /// Set once the API server trusts what is served.
    pub trusted: Flag,
    /// The current problems, a sentence each.
    pub degraded: Degraded,
    watching: BTreeMap<Watch, String>,
    writing: BTreeMap<WriteTarget, String>,
    backoffs: BTreeMap<WriteTarget, WriteBackoff>,
    tick: Duration,
    metrics: Metrics,
}

impl CertificateKeeper {
    /// A keeper that reads and writes nothing before [`CertificateKeeper::run`]. `tick` is the time between two looks at the
    /// clock.
    #[must_use]
    pub fn new(
        client: Client,
        settings: CertificateSettings,
        names: ObjectNames,
        tick: Duration,
        destination: LeafDestination,
        metrics: Metrics,
    ) -> Self {
        Self {
            machine: match destination {
                LeafDestination::Served(_) => Machine::new(settings),
                LeafDestination::Secret(_) => Machine::for_keeper(settings),
            },
            secrets: Api::namespaced(client.clone(), &names.namespace),
            configurations: Api::all(client),
            names,
            secret: None,
            serving_secret: None,
            destination,
            trusted: Flag::default(),
            degraded: Degraded::default(),
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
        let mut serving: BoxStream<'_, _> = match &self.destination {
            LeafDestination::Served(_) => stream::pending().boxed(),
            LeafDestination::Secret(name) => {
                single(with_backoff(watcher(self.secrets.clone(), only(name)))).boxed()
            }
        };
        // Replicas that start together do not tick together.
        let first = Instant::now() + self.tick.mul_f64(fraction());
        let mut ticks = interval_at(first, self.tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut retry = None;
        loop {
            let due = retry.into_iter().chain(self.renewal()).min();
            tokio::select! {
                Some(secret) = secrets.next() => self.observe(Watch::Secret, secret, Self::observe_secret),
                Some(secret) = serving.next() => {
                    self.observe(Watch::ServingSecret, secret, Self::observe_serving_secret);
                }
                Some(configuration) = configurations.next() => {
                    self.observe(Watch::WebhookConfiguration, configuration, |this, object| {
                        this.observe_configuration(object.as_ref());
                    });
                }
                _ = ticks.tick() => {}
                () = until(due) => {}
            }
            retry = self.reconcile().await;
            self.report(SystemTime::now());
        }
    }

    /// The time at which the certificate of this process is renewed, since no watch and no tick may come at that time; `None`
    /// if it has passed: the next tick renews it.
    fn renewal(&self) -> Option<Instant> {
        let left = self.machine.renew_at()?.duration_since(SystemTime::now()).ok()?;
        Instant::now().checked_add(left)
    }

    fn observe<T>(
        &mut self,
        watch: Watch,
        update: Result<WatchUpdate<Option<T>>, watcher::Error>,
        take: impl FnOnce(&mut Self, Option<T>),
    ) {
        self.metrics.watch_up(watch, update.is_ok());
        match update {
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

    fn observe_secret(&mut self, secret: Option<Secret>) {
        let annotations = secret.as_ref().map(ResourceExt::annotations);
        self.machine
            .observe_revoked(annotations.and_then(|all| all.get(REVOKED_ANNOTATION)).map(String::as_str));
        self.machine.observe_secret(secret.as_ref().map(data));
        self.secret = secret;
    }

    fn observe_serving_secret(&mut self, secret: Option<Secret>) {
        self.machine.observe_serving_secret(secret.as_ref().map(data));
        self.serving_secret = secret;
    }

    fn observe_configuration(&mut self, configuration: Option<&MutatingWebhookConfiguration>) {
        self.machine.observe_configuration(configuration.map(entries));
    }

    /// Takes steps until nothing is left to do, or only writes that failed. Returns the time of the next attempt if something
    /// has to be written and may not be yet; everything else waits for an event or the next tick.
    async fn reconcile(&mut self) -> Option<Instant> {
        // Targets that cannot be written now, with the time of the next attempt. The others are written all the same.
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
                && let Err(at) = self.backoff(target).try_write()
            {
                later.insert(target, at);
                continue;
            }
            let done = match step {
                Step::Serve(credentials) => {
                    self.serve(credentials);
                    Ok(())
                }
                Step::StoreCa(data, why) => self.store_ca(data, &why).await,
                Step::StoreLeaf(data, why) => self.store_leaf(data, &why).await,
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

    /// Records a failed write, and logs its problem once. Returns the time of the next attempt.
    fn failed(&mut self, target: WriteTarget, problem: String) -> Instant {
        if self.writing.get(&target) != Some(&problem) {
            warn!(%problem, "cannot bring the certificates up to date; going on, trying again");
        }
        self.writing.insert(target, problem);
        self.backoff(target).failed()
    }

    fn serve(&self, credentials: Credentials) {
        let LeafDestination::Served(serving) = &self.destination else { return };
        let expires = humantime::format_rfc3339_seconds(credentials.not_after());
        serving.replace(credentials);
        self.metrics.count_rotation(Rotation::Leaf, true);
        info!(%expires, "serving a new certificate");
    }

    fn report(&self, now: SystemTime) {
        if self.machine.is_verified(now) && !self.trusted.swap(true, Ordering::Relaxed) {
            info!("the API server trusts the certificate");
        }
        self.metrics.ca_bundle_out_of_sync.set(i64::from(!self.machine.out_of_sync().is_empty()));
        self.metrics.ca_bundle_certificates.set(i64::try_from(self.machine.trusted()).unwrap_or(i64::MAX));
        self.metrics.ca_expiry.set(seconds_of(self.machine.ca_expires()));
        if matches!(self.destination, LeafDestination::Secret(_)) {
            self.metrics.certificate_expiry.set(seconds_of(self.machine.leaf_expires()));
        }
        let missing = self.machine.problems().into_iter().map(|problem| problem.to_string());
        let failing = self.watching.values().cloned().chain(self.writing.values().cloned());
        self.degraded.store(Arc::new(missing.chain(failing).collect()));
    }
}

/// Waits until this time, or for ever.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Seconds since 1970; 0 if there is no time.
fn seconds_of(time: Option<SystemTime>) -> i64 {
    let since = time.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// A random number from 0 to 1.
fn fraction() -> f64 {
    let random = u32::try_from(RandomState::new().hash_one(0) >> 32).unwrap_or_default();
    f64::from(random) / f64::from(u32::MAX)
}
