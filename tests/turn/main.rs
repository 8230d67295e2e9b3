//! The event loop, row by row of the behaviour catalogue: a test's name begins with the row it proves.
//!
//! Time is manual wherever it matters, so nothing here sleeps and every order is exact. Tests on the
//! system's clock assert what holds however late the machine is.

mod asyncgen;
mod call;
mod closing;
mod debug;
mod errors;
mod executor;
mod future;
mod group;
mod lifecycle;
mod order;
mod remote;
mod signal;
mod support;
mod task;
mod timer;
mod together;
