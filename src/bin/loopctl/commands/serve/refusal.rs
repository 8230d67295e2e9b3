//! Errors of a server that cannot start, with hints.

use std::io;
use std::path::Path;

use loopctl::{Address, BindError, EaiCode, ResolveError, ServerError};

use crate::diagnose::hint::serve::hint_for_bind;
use crate::exit::{Exit, FatalError};
use crate::util::message::{Message, plain};

/// Message and exit status.
pub(super) type Refusal = FatalError;

/// Error of the library, by its kind.
pub(super) fn refused(address: &str, error: ServerError) -> Refusal {
    match error {
        ServerError::Resolve(why) => not_resolved(address, &why),
        ServerError::Bind(error) => not_bound(address, &[error]),
        ServerError::NoneAvailable(errors) => not_bound(address, &errors),
        other => unbound(address, &other.to_string()),
    }
}

pub(super) fn not_resolved(address: &str, why: &ResolveError) -> Refusal {
    let cause = match why.code() {
        Some(EaiCode::SERVICE) => "its port is not a service name of this host".to_owned(),
        Some(EaiCode::ADDRFAMILY) => "it has no address of the requested family".to_owned(),
        _ => why.to_string(),
    };
    Refusal { message: because(address, vec![cause]), exit: Exit::NotResolved }
}

fn not_bound(address: &str, errors: &[BindError]) -> Refusal {
    let cause =
        |error: &BindError| format!("{}: {}: {}", error.address, error.phase, plain(&error.error));
    let mut message = because(address, errors.iter().map(cause).collect());
    message.hints =
        errors.iter().filter_map(|error| hint_for_bind(&error.address, &error.error)).collect();
    message.hints.dedup();
    Refusal { message, exit: Exit::CannotBind }
}

/// Error of a file to be served.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Refusal {
    let message = format!("cannot read `{}`: {}", path.display(), plain(error));
    Refusal::new(Exit::CannotRead, message)
}

/// Error with a given cause.
pub(super) fn unbound(address: &str, why: &str) -> Refusal {
    Refusal { message: because(address, vec![why.to_owned()]), exit: Exit::CannotBind }
}

/// Error of one address, for listeners that this program binds itself.
pub(super) fn unavailable(name: &str, address: &Address, error: &io::Error) -> Refusal {
    let mut message = because(name, vec![format!("{address}: {}", plain(error))]);
    message.hints.extend(hint_for_bind(address, error));
    Refusal { message, exit: Exit::CannotBind }
}

fn because(address: &str, causes: Vec<String>) -> Message {
    Message { causes, ..Message::error(format!("cannot listen on `{address}`")) }
}
