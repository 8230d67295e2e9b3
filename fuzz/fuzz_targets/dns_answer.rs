//! Any bytes as an answer of a name server.
#![no_main]

use std::time::Instant;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    loopctl::fuzz_decode(bytes, Instant::now());
});
