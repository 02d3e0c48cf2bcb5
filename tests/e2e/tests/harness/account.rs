//! Accounts with few rights.

use std::{cell::RefCell, path::PathBuf};

use serde_json::{Value, json};

use super::{kubectl, try_kubectl};

/// An account with the rights that it was given and no others. Gone with its namespace and the file.
pub struct Account {
    pub kubeconfig: PathBuf,
    name: String,
    namespace: String,
    roles: RefCell<Vec<String>>,
}

impl Account {
    pub fn new(namespace: &str, name: &str) -> Self {
        kubectl(&["create", "serviceaccount", name, "-n", namespace]);
        let token = kubectl(&["create", "token", name, "-n", namespace, "--duration=1h"]);
        let mut config: Value =
            serde_json::from_str(&kubectl(&["config", "view", "--raw", "--minify", "-o", "json"])).unwrap();
        config["users"][0]["user"] = json!({"token": token.trim()});
        let kubeconfig = std::env::temp_dir().join(format!("gomemlimit-e2e-{}-{name}", std::process::id()));
        std::fs::write(&kubeconfig, config.to_string()).unwrap();
        let (name, namespace) = (name.to_owned(), namespace.to_owned());
        Self { kubeconfig, name, namespace, roles: RefCell::default() }
    }

    /// Gives it verbs on a resource, in all namespaces.
    pub fn may(&self, verbs: &str, resource: &str) {
        let role = format!("{}-{}-{}", self.namespace, self.name, resource.replace('/', "-"));
        let (verbs, resource) = (format!("--verb={verbs}"), format!("--resource={resource}"));
        kubectl(&["create", "clusterrole", &role, &verbs, &resource]);
        let account = format!("--serviceaccount={}:{}", self.namespace, self.name);
        kubectl(&["create", "clusterrolebinding", &role, &format!("--clusterrole={role}"), &account]);
        self.roles.borrow_mut().push(role);
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.kubeconfig);
        for role in self.roles.borrow().iter() {
            let both = ["delete", "clusterrole,clusterrolebinding", role, "--ignore-not-found"];
            let _ = try_kubectl(&both, "");
        }
    }
}
