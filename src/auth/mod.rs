//! Who may do what.
//!
//! For: principals, roles, grants. In: a credential. Out: `Granted<A>`.
//! May touch: `domain`.
//! Never: trusts a name that was not authorized.
