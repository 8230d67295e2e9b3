//! `--upstream`: the server behind a proxy.

use loopctl::TlsClient;
use loopctl::plan::{Family, Target};

use super::tls::client_of_upstream;
use crate::cli::UpstreamArgs;
use crate::exit::FatalError;
use crate::util::message::Message;

/// The server that each client is forwarded to.
#[derive(Debug, Clone)]
pub(crate) struct UpstreamRequest {
    /// The argument as typed.
    pub(crate) text: String,
    pub(crate) target: Target,
    pub(crate) family: Family,
    /// `None`: bytes are forwarded as they are.
    pub(crate) tls: Option<TlsClient>,
}

impl UpstreamRequest {
    /// `None` without `--upstream`.
    ///
    /// # Errors
    /// A value that is no target, and files that cannot be read.
    pub(crate) fn new(args: &UpstreamArgs, family: Family) -> Result<Option<Self>, FatalError> {
        let Some(text) = &args.upstream else { return Ok(None) };
        let target = text.parse::<Target>().map_err(Message::from)?;
        let tls = match args.upstream_tls {
            true => Some(client_of_upstream(&target, &args.ca, args.insecure)?),
            false => None,
        };
        Ok(Some(Self { text: text.clone(), target, family, tls }))
    }
}
