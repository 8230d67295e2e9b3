//! The race and what goes before it, in virtual time: no loop, no sockets, no sleeping.
//!
//! Tables from CPython's own functions (`*.json`), conditions with their expected courses (`*.toml`), and
//! properties over random orders of events. A test's name begins with the catalogue row it proves.

mod before;
mod clients;
mod conditions;
mod course;
mod flow;
mod many;
mod properties;
mod queries;
mod reasons;
mod rules;
mod scenarios;
mod whole;
