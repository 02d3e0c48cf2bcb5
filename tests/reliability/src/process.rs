//! The program alone, on loopback: load for a long time, and clients that mean harm.
