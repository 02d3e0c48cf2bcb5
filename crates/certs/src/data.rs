//! The data of a Secret.

use std::collections::BTreeMap;

/// Keys and values of a Secret, not in base64.
pub type SecretData = BTreeMap<String, Vec<u8>>;
