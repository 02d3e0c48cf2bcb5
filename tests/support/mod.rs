//! The real program as a process of a test.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod running;
