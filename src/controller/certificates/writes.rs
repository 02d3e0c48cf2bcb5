//! The writes of the keeper: the two Secrets, and the CA bundle of the webhook configuration.

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use tracing::info;

use super::{
    CertificateKeeper, LeafDestination,
    objects::bundle_patch,
    write_error::{WriteError, call},
};
use crate::{
    certs::{KEYS, LEAF_KEYS, REVOKED_ANNOTATION, SecretData, SignReason, StoreReason},
    metrics::Rotation,
};

/// Name of this program in `managedFields`.
const FIELD_MANAGER: &str = "gomemlimit-certificates";

impl CertificateKeeper {
    pub(super) async fn store_ca(&mut self, wanted: SecretData, why: &StoreReason) -> Result<(), WriteError> {
        let Some(mut secret) = self.secret.clone() else { return Ok(()) };
        let lost: Vec<_> = self.machine.unlisted_revocations().map(ToString::to_string).collect();
        if !lost.is_empty() {
            let listed = secret.annotations_mut().entry(REVOKED_ANNOTATION.to_owned()).or_default();
            let kept = (!listed.is_empty()).then(|| listed.clone());
            *listed = kept.into_iter().chain(lost).collect::<Vec<_>>().join(",");
        }
        let is_rotation = matches!(why, StoreReason::Created(_) | StoreReason::Rotated);
        let written = self.write(&self.names.secret, secret, &KEYS, wanted).await;
        if is_rotation && !matches!(written, Err(WriteError::Conflict)) {
            self.metrics.count_rotation(Rotation::Ca, written.is_ok());
        }
        let secret = written?;
        info!(secret = %self.names.secret, %why, "wrote the certificate authority");
        self.observe_secret(Some(secret));
        Ok(())
    }

    pub(super) async fn store_leaf(
        &mut self,
        wanted: SecretData,
        why: &SignReason,
    ) -> Result<(), WriteError> {
        let (LeafDestination::Secret(name), Some(secret)) = (&self.destination, self.serving_secret.clone())
        else {
            return Ok(());
        };
        let written = self.write(name, secret, &LEAF_KEYS, wanted).await;
        if !matches!(written, Err(WriteError::Conflict)) {
            self.metrics.count_rotation(Rotation::Leaf, written.is_ok());
        }
        let secret = written?;
        info!(secret = %name, %why, "wrote the certificate that replicas serve");
        self.observe_serving_secret(Some(secret));
        Ok(())
    }

    /// Replaces these keys of a Secret in the version that was read.
    async fn write(
        &self,
        name: &str,
        mut secret: Secret,
        keys: &[&str],
        wanted: SecretData,
    ) -> Result<Secret, WriteError> {
        let data = secret.data.get_or_insert_default();
        data.retain(|key, _| !keys.contains(&key.as_str()));
        data.extend(wanted.into_iter().map(|(key, value)| (key, ByteString(value))));
        let parameters =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        match call(self.secrets.replace(name, &parameters, &secret)).await {
            Err(WriteError::Api(kube::Error::Api(status))) if status.code == 409 => Err(WriteError::Conflict),
            written => written,
        }
    }

    pub(super) async fn publish(
        &mut self,
        entries: &[(usize, String)],
        bundle: &str,
    ) -> Result<(), WriteError> {
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
        self.observe_configuration(Some(&configuration));
        Ok(())
    }

    /// Reads the Secret again, and takes over what is new.
    async fn secret_changed(&mut self) -> Result<bool, WriteError> {
        let only = ListParams::default().fields(&format!("metadata.name={}", self.names.secret));
        let current = call(self.secrets.list(&only)).await?.items.into_iter().next();
        let version = |secret: &Option<Secret>| secret.as_ref().and_then(ResourceExt::resource_version);
        let changed = version(&current) != version(&self.secret);
        if changed {
            self.observe_secret(current);
        }
        Ok(changed)
    }
}
