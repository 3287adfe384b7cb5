//! store

pub mod logdir;
