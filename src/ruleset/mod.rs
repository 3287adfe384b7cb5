//! Reads YAML rule packs, refuses bad ones, compiles good ones.
//!
//! For: data over code. In: pack text. Out: `RuleSet`.
//! May touch: `domain`. Built-in packs are embedded.
//! Never: skips an unknown key, an untested rule or a pattern that is not linear.
