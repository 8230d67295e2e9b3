//! Mistakes in targets, and what to type instead.

use std::fmt;

use loopctl::plan::TargetError;

use super::scheme::Scheme;
use crate::util::message::Message;

/// Text that is no target. No variant contains a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TargetMistake {
    /// Mistake that the library knows.
    Target(TargetError),
    UnknownScheme(String),
    /// Scheme, and nothing behind it.
    UrlWithoutHost(&'static str),
    /// Scheme without a default port, and the host.
    UrlWithoutPort(&'static str, String),
    /// Raw `/`, `?` or `#` in front of the `@`.
    RawPassword,
    /// Host and port after a user name, without a scheme.
    UserName(String),
    /// Host, or host and port, with a path behind it.
    Path(String),
    /// Host with two ports.
    TwoPorts(String, String, String),
    /// Port 0, and the host.
    PortZero(String),
    /// Number without a host.
    NoHost(String),
    /// Scheme of a URL with `:` instead of `://`, and the text behind it.
    NoSlashes(&'static str, String),
}

impl TargetMistake {
    /// The mistake in a text that has no scheme. The library's error is kept if none of ours describes it better.
    pub(super) fn of(text: &str, error: TargetError) -> Self {
        if let Some((_, host)) = text.rsplit_once('@') {
            return Self::UserName(host.to_owned());
        }
        if let Some((name, rest)) = text.split_once(':')
            && let Some(scheme) = Scheme::by_name(name)
            && rest.parse::<u16>().is_err()
        {
            return Self::NoSlashes(scheme.name, rest.trim_start_matches('/').to_owned());
        }
        if text.contains('/') && !text.starts_with(['/', '.']) {
            return Self::Path(text.to_owned());
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
            return Self::NoHost(text.to_owned());
        }
        let is_number = |text: &str| text.parse::<u16>().is_ok();
        match text.split(':').collect::<Vec<_>>()[..] {
            [host, one, two] if !host.is_empty() && is_number(one) && is_number(two) => {
                Self::TwoPorts(host.to_owned(), one.to_owned(), two.to_owned())
            }
            _ => Self::Target(error),
        }
    }

    /// Advice on what to type instead.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Target(error) => return error.hint(),
            Self::UnknownScheme(_) => {
                let hint = "write `tcp://HOST:PORT` or `tls://HOST:PORT`; loopctl-connect(1) lists the schemes";
                hint.to_owned()
            }
            Self::UrlWithoutHost(scheme) => format!("write `{scheme}://HOST`"),
            Self::UrlWithoutPort(scheme, host) => {
                format!("write `{scheme}://{host}:443`, or the port you mean")
            }
            Self::RawPassword => {
                "write `/` as %2F, `?` as %3F and `#` as %23 in it, or leave it out".to_owned()
            }
            Self::UserName(host) => format!("write `{host}`"),
            Self::Path(text) => match text.split_once('/') {
                Some((host, _)) if host.contains(':') => {
                    format!("write `{host}`, or `http://{text}` or `https://{text}`")
                }
                _ => format!("write `https://{text}`"),
            },
            Self::TwoPorts(host, one, two) => format!("write `{host}:{one}` or `{host}:{two}`"),
            Self::PortZero(host) => format!("write `{host}:443`, or the port you mean"),
            Self::NoHost(number) => format!("write `HOST:{number}`"),
            Self::NoSlashes(scheme, rest) => format!("write `{scheme}://{rest}`"),
        })
    }
}

impl fmt::Display for TargetMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(error) => error.fmt(f),
            Self::UnknownScheme(name) => {
                write!(f, "`{}` is no scheme that loopctl knows", name.escape_debug())
            }
            Self::UrlWithoutHost(scheme) => write!(f, "the URL `{scheme}://` has no host"),
            Self::UrlWithoutPort(scheme, host) => write!(f, "`{scheme}://{host}` has no port"),
            Self::RawPassword => {
                write!(f, "the password in the URL has characters that end the host")
            }
            Self::UserName(host) => write!(f, "the target `{host}` has a user name before it"),
            Self::Path(text) => write!(f, "`{text}` has a path, but no scheme"),
            Self::TwoPorts(host, one, two) => write!(f, "`{host}:{one}:{two}` has two ports"),
            Self::PortZero(host) => write!(f, "`{host}:0`: nothing can listen on port 0"),
            Self::NoHost(number) => write!(f, "`{number}` is a port without a host"),
            Self::NoSlashes(scheme, rest) => {
                write!(f, "`{scheme}:{rest}` has no `//` after the scheme")
            }
        }
    }
}

impl From<TargetError> for TargetMistake {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}

impl From<TargetMistake> for Message {
    fn from(mistake: TargetMistake) -> Self {
        let hints = mistake.hint().into_iter().collect();
        Self { error: Some(mistake.to_string()), hints, ..Self::default() }
    }
}
