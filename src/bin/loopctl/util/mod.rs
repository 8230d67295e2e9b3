//! General modules that import no other part of the program.

pub(crate) mod cancellation;
pub(crate) mod checksum;
pub(crate) mod descriptor;
pub(crate) mod full_backlog;
pub(crate) mod locked_file;
pub(crate) mod log;
pub(crate) mod message;
pub(crate) mod ordered_pool;
pub(crate) mod output_queue;
pub(crate) mod private_socket;
pub(crate) mod rate_limiter;
pub(crate) mod secrets;
pub(crate) mod shared_fd;
pub(crate) mod stdio;
pub(crate) mod style;
pub(crate) mod units;
