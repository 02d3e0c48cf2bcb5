//! Maximum times of calls of the API server.

use std::time::Duration;

/// Maximum time of one call of a command: 1 minute. A page of pods of a busy API server takes seconds.
pub(super) const CALL: Duration = Duration::from_mins(1);

/// Maximum time until the API server begins an answer to the controller: 10 s. It begins that of a watch at once.
pub const CONTROLLER_CALL: Duration = Duration::from_secs(10);

/// Maximum time of a call of a pod through the API server: 10 s.
pub(super) const POD_CALL: Duration = Duration::from_secs(10);

/// Maximum time to connect to the API server, for a command: 10 s.
pub(super) const CONNECT: Duration = Duration::from_secs(10);
