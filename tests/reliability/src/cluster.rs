//! The webhook in a real cluster while something is broken, and pods of every form that Kubernetes allows.
