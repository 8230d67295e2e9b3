//! The real program between two hosts, on networks that misbehave: dead families, refusing routers, slow name
//! servers. Each test brings a network of `testbed/` up, lets `loopctl connect` race in it, and judges by the
//! packets at the client's interface, not by what the program says of itself; then it holds the two together.
//!
//! `expected.toml` says what must happen, a table a case. `Bed` runs the test bed, `Timeline` holds the
//! packets, `Document` the program's JSON, and `check` compares the three. `asyncio` runs CPython's race in the
//! same networks.
//!
//! `matrix` takes its rows from `tests/races/hev3`: what a race does there in virtual time, the program does here.
//! `world` makes a network of a row, and asks the race in virtual time what it would have done in the network that
//! there was.
//!
//! Lower bounds, order, outcomes and exit statuses hold on every run. Upper bounds measure the machine as well
//! as the program, so they are asserted on the best of up to three runs (`tries`).
//!
//! Where the machine cannot run the bed, every test says `SKIPPED` on standard error and passes;
//! `testbed/testbed.py check` fails there, so that continuous integration cannot mistake a skip for a pass.
//!
//! What the program and asyncio cost beyond the ideal timeline, measured:
//! `cargo test --test netns asyncio -- --nocapture`
#![cfg(feature = "cli")]
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod bed;
mod check;
mod document;
mod expected;
mod pace;
#[path = "../support/skip.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod skip;
mod timeline;
mod tries;
mod world;

// The race in virtual time, and the conditions that it is held to there.
#[path = "../races/conditions.rs"]
#[expect(dead_code, reason = "tests/races uses more of it")]
mod conditions;
#[path = "../races/course.rs"]
#[expect(dead_code, reason = "tests/races uses more of it")]
mod course;

mod asyncio;
mod clients;
mod compare;
mod files;
mod hosts;
mod incident_table;
mod incidents;
mod interrupt;
mod matrix;
mod others;
mod path;
mod presets;
mod rivals;
mod rows;
mod scenarios;
mod several;
mod surroundings;
