//! The keeper of certificates, if it is a pod of its own: replicas have no rights then, and mount what it signs.

use std::time::Duration;

use super::installation::Installation;
use crate::{
    cli::shell::quote,
    cluster::{api::ApiError, installation::ServiceReference, keeper::Keeper},
};

/// What is wrong with the keeper, and the command that mends it.
#[derive(Clone, Debug)]
pub(super) struct KeeperTrouble {
    pub(super) what: String,
    pub(super) command: String,
}

impl Installation<'_> {
    /// Replicas, or a keeper, make the certificates.
    pub(super) fn is_self_managed(&self) -> bool {
        self.is_kept || self.pods.iter().any(|pod| pod.serve_flag("--tls-secret").is_some())
    }

    /// How long the CAs live that they make.
    pub(super) fn ca_lifetime(&self) -> Option<Duration> {
        let of_replicas = self.pods.iter().find_map(|pod| pod.serve_flag("--ca-duration"));
        humantime::parse_duration(self.kept_ca_life.as_deref().or(of_replicas)?).ok()
    }

    /// The Secret that the webhook's pods have their certificate from.
    pub(super) fn mounted_secret(&self) -> Option<&str> {
        self.pods.iter().find_map(|pod| {
            let (folder, _) = pod.serve_flag("--tls-cert")?.rsplit_once('/')?;
            pod.secret_at(folder)
        })
    }

    /// Looks for the keeper where pods mount the Secret that the chart makes for it; what may not be read is not known.
    pub(super) async fn look_at_keeper(&mut self, reference: &ServiceReference) -> Result<(), ApiError> {
        // As the chart names it: there is no other sign of it once its Deployment is gone.
        self.is_kept = self.mounted_secret() == Some(&format!("{}-serving", reference.name));
        if !self.is_kept {
            return Ok(());
        }
        let namespace = &reference.namespace;
        let found = Keeper::find(self.cluster, namespace, &self.configuration.metadata.name).await;
        let trouble = |what: String, command: String| Some(KeeperTrouble { what, command });
        self.keeper = match found {
            Ok(None) => trouble("there is no keeper of certificates".to_owned(), self.release.upgrade("")),
            Ok(Some(keeper)) => {
                self.kept_ca_life = keeper.flag("--ca-duration").map(str::to_owned);
                let name = keeper.name();
                let object = format!("deployment/{} -n {}", quote(name), quote(namespace));
                if keeper.is_scaled_to_nothing() {
                    let what = format!("deployment {name}, which keeps the certificates, is scaled to 0");
                    trouble(what, format!("kubectl scale {object} --replicas=1"))
                } else if keeper.is_ready() {
                    None
                } else {
                    let what = format!("deployment {name}, which keeps the certificates, has no ready pod");
                    trouble(what, format!("kubectl logs {object}"))
                }
            }
            Err(ApiError::Forbidden(_)) => None,
            Err(error) => return Err(error),
        };
        Ok(())
    }

    /// The same for what is said: empty if nothing is known to be wrong with it.
    pub(super) fn keeper_said(&self) -> String {
        self.keeper.as_ref().map(|keeper| format!("; {}", keeper.what)).unwrap_or_default()
    }
}
