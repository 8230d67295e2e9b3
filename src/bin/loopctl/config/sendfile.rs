//! What `sendfile` is to do.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loopctl::SendfileMethod;

use super::environment::Environment;
use super::targets::TargetRequest;
use super::{ConnectRequest, Purpose, RaceRequest};
use crate::cli::{GlobalArgs, MethodArg, SendfileArgs};
use crate::exit::Exit;
use crate::util::checksum::Algorithm;
use crate::util::message::Message;

/// Which file, and how.
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
    /// For all of it, if that was said.
    pub(crate) limit: Option<Duration>,
}

/// Which part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Fixed {
        offset: u64,
        count: Option<NonZero<u64>>,
    },
    /// What the peer does not have.
    Missing,
}

impl ConnectRequest {
    /// A connection that a file is sent over.
    ///
    /// # Errors
    /// What makes no sense, what to type instead, and how to exit.
    pub(crate) fn to_send(
        args: SendfileArgs,
        global: &GlobalArgs,
        env: &Environment,
    ) -> Result<Self, (Message, Exit)> {
        let refuse = |message| (message, Exit::Usage);
        let target = TargetRequest::new(&args.target, &args.connection.names.resolve);
        let target = target.map_err(|error| refuse(error.into()))?;
        if args.part.resume && args.file == Path::new("-") {
            let error = "--resume sends a part of a file: standard input may have only one end";
            return Err(refuse(Message::error(error)));
        }
        let race = RaceRequest::of(&args.connection, global)?;
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
        let mut request = Self::of(vec![target], race, global, env);
        request.expect.cert_expiry = args.connection.tls.trust.cert_expiry;
        request.purpose = Some(Purpose::Send(Box::new(send)));
        Ok(request)
    }
}

impl SendRequest {
    pub(crate) fn resumes(&self) -> bool {
        self.part == Part::Missing
    }

    /// How the file is called.
    pub(crate) fn name(&self) -> String {
        self.file.to_string_lossy().into_owned()
    }
}
