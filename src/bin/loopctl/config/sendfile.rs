//! The request of `loopctl sendfile`.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loopctl::SendfileMethod;

use super::environment::Environment;
use super::target_race::TargetRaces;
use super::targets::read_one;
use super::{AfterConnect, ConnectRequest, RaceRequest};
use crate::cli::{GlobalArgs, MethodArg, SendfileArgs};
use crate::exit::FatalError;
use crate::util::checksum::Algorithm;

/// The file to send, and its limits.
#[derive(Debug, Clone)]
pub(crate) struct SendRequest {
    /// `-`: standard input.
    pub(crate) file: PathBuf,
    pub(crate) part: Part,
    pub(crate) method: SendfileMethod,
    /// Limit in bytes per second.
    pub(crate) rate: Option<NonZero<u64>>,
    pub(crate) checksum: Option<Algorithm>,
    /// Time without progress after which the transfer fails.
    pub(crate) idle: Duration,
    /// `--timeout`, for connecting and sending.
    pub(crate) limit: Option<Duration>,
}

/// The part of a file to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Fixed {
        offset: u64,
        count: Option<NonZero<u64>>,
    },
    /// `--resume`: the rest that the sink does not have.
    Missing,
}

impl ConnectRequest {
    /// The request for a connection with a file to send over it.
    ///
    /// # Errors
    /// Flags that do not go together, and files that cannot be read.
    pub(crate) fn sendfile(
        args: SendfileArgs,
        global: &GlobalArgs,
        env: &Environment,
    ) -> Result<Self, FatalError> {
        if args.part.resume && args.file == Path::new("-") {
            let error = "--resume needs a file, and not standard input: the file is read twice";
            return Err(FatalError::usage(error));
        }
        let race = RaceRequest::with_connection(&args.connection, global)?;
        let mut races = TargetRaces::new(race.clone(), &args.connection);
        let target = read_one(&args.target, &args.connection.names.resolve, &mut races)?;
        races.check_flags()?;
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

    /// The file's name for messages and reports.
    pub(crate) fn name(&self) -> String {
        self.file.to_string_lossy().into_owned()
    }
}
