//! The keeper of certificates, if it is a pod of its own: replicas have no rights then, and mount what it signs.

use super::installation::{Installation, KeeperProblem};
use crate::{
    cli::shell::quote,
    cluster::{api::ApiError, keeper::Keeper, webhook_configuration::ServiceReference},
};

impl Installation<'_> {
    /// Reads the keeper if pods mount the Secret that the chart makes for it. What may not be read is not known.
    pub(super) async fn read_keeper(&mut self, reference: &ServiceReference) -> Result<(), ApiError> {
        // As the chart names it: there is no other sign of it once its Deployment is gone.
        self.is_kept = self.mounted_secret() == Some(&format!("{}-serving", reference.name));
        if !self.is_kept {
            return Ok(());
        }
        let namespace = &reference.namespace;
        let found = Keeper::find(self.cluster, namespace, &self.configuration.metadata.name).await;
        let problem = |what: String, fix: String| Some(KeeperProblem { what, fix });
        self.keeper = match found {
            Ok(None) => problem("there is no keeper of certificates".to_owned(), self.release.upgrade("")),
            Ok(Some(keeper)) => {
                self.kept_ca_lifetime = keeper.flag("--ca-duration").map(str::to_owned);
                let name = keeper.name();
                let object = format!("deployment/{} -n {}", quote(name), quote(namespace));
                if keeper.is_scaled_to_nothing() {
                    let what = format!("deployment {name}, which keeps the certificates, is scaled to 0");
                    problem(what, format!("kubectl scale {object} --replicas=1"))
                } else if keeper.is_ready() {
                    None
                } else {
                    let what = format!("deployment {name}, which keeps the certificates, has no ready pod");
                    problem(what, format!("kubectl logs {object}"))
                }
            }
            Err(ApiError::Forbidden(_)) => None,
            Err(error) => return Err(error),
        };
        Ok(())
    }
}
