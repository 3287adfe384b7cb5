//! Canonical JSON: the one byte form of everything that is signed or logged.
