//! firewall

pub mod artifacts;
