//! The way of the commands into a cluster: kubeconfigs and flags, proxies, TLS, credential plugins, completions, and what
//! the errors say. The real program against servers on loopback.

mod completion;
mod errors;
mod kubeconfig;
mod plugin;
mod proxy;
mod server;
mod targets;
mod tls;
