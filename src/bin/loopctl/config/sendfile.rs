//! The request of `sendfile`.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loopctl::SendfileMethod;

use super::environment::Environment;
use super::targets::TargetRequest;
use super::{AfterConnect, ConnectRequest, RaceRequest};
use crate::cli::{GlobalArgs, MethodArg, SendfileArgs};
use crate::exit::FatalError;
use crate::util::checksum::Algorithm;

/// The file, and how it is sent.
#[derive(Debug, Clone)]
pub(crate) struct SendRequest {
    /// `-`: standard input.
    pub(crate) file: PathBuf,
    pub(crate) part: Part,
    pub(crate) method: SendfileMethod,
    /// In bytes a second.
    pub(crate) rate: Option<NonZero<u64>>,
    pub(crate) checksum: Option<Algorithm>,
    /// Ends it when nothing has gone for this long.
    pub(crate) idle: Duration,
    /// The time for all of it, if limited.
    pub(crate) limit: Option<Duration>,
}

/// The part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Fixed {
        offset: u64,
        count: Option<NonZero<u64>>,
    },
    /// The rest, which the peer does not have.
    Missing,
}

impl ConnectRequest {
    /// A connection that a file is sent over.
    ///
    /// # Errors
    /// Flags that do not go together, and files that cannot be read.
    pub(crate) fn sendfile(
        args: SendfileArgs,
        global: &GlobalArgs,
        env: &Environment,
    ) -> Result<Self, FatalError> {
        let target = TargetRequest::new(&args.target, &args.connection.names.resolve)?;
        if args.part.resume && args.file == Path::new("-") {
            let error = "--resume sends a part of a file: standard input may have only one end";
            return Err(FatalError::usage(error));
        }
        let race = RaceRequest::with_connection(&args.connection, global)?;
        let method = match args.how.method {
            _ if args.how.no_fallback => SendfileMethod::Native,
            MethodArg::Auto => SendfileMethod::Auto,
            MethodArg::Sendfile => SendfileMethod::Native,
            MethodArg::Copy => SendfileMethod::Copy,
        };
        let send = SendRequest {
            file: args.file,
            part: match args.part.resume {
                true => Part::Missing,
                false => Part::Fixed { offset: args.part.offset, count: args.part.count },
            },
            method,
            rate: args.how.rate,
            checksum: args.how.checksum,
            idle: args.how.idle_timeout,
            limit: global.timeout,
        };
        let mut request = Self::once(vec![target], race, global, env);
        request.expect.cert_expiry = args.connection.tls.trust.cert_expiry;
        request.after_connect = Some(AfterConnect::Send(Box::new(send)));
        Ok(request)
    }
}

impl SendRequest {
    pub(crate) fn resumes(&self) -> bool {
        self.part == Part::Missing
    }

    /// The name of the file.
    pub(crate) fn name(&self) -> String {
        self.file.to_string_lossy().into_owned()
    }
}
