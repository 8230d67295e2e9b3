//! Clients that would have fared worse than a run, in JSON.

use crate::diagnose::findings::other_clients::{self, OtherCause, OtherResult};
use crate::output::wire::other_clients::{Cause, OtherClient, OtherClients, Outcome};
use crate::report::Report;

/// `None` where no common client would take a second longer, or fail.
pub(crate) fn other_clients(report: &Report) -> Option<OtherClients> {
    let others = other_clients::other_clients(report)?;
    let silent = match &others.cause {
        OtherCause::Silent(silent) => silent.iter().map(|to| to.ip().to_string()).collect(),
        _ => Vec::new(),
    };
    let clients = others.clients.iter().map(|client| OtherClient {
        policy: client.policy.name().into(),
        client: client.name.into(),
        outcome: match client.result {
            OtherResult::Connects(_) => Outcome::Success,
            OtherResult::Fails(_) => Outcome::Failure,
            OtherResult::Hangs(_) => Outcome::Hangs,
        },
        ms: client.result.after().into(),
    });
    Some(OtherClients {
        cause: match others.cause {
            OtherCause::Answer(_) => Cause::Answer,
            OtherCause::Silent(_) => Cause::SilentAddress,
            OtherCause::Tls => Cause::Tls,
            OtherCause::Several => Cause::Several,
        },
        query: match others.cause {
            OtherCause::Answer(family) => Some(family.into()),
            _ => None,
        },
        silent,
        clients: clients.collect(),
    })
}
