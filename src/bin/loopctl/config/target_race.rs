//! The race of each target: that of the flags, with the transport and the TLS of its URL.

use std::rc::Rc;

use super::scheme::{HTTP, Security};
use super::{RaceRequest, TlsRequest};
use crate::cli::{ConnectionArgs, SuccessArg, TlsArgs};
use crate::exit::FatalError;

/// The races of a run. Targets with equal transport and TLS share one, so that files are read once.
pub(super) struct TargetRaces<'a> {
    /// The race of the flags, without TLS.
    base: RaceRequest,
    tls: &'a TlsArgs,
    success: Option<SuccessArg>,
    /// Whether TLS is left out, because a path is measured and no connection is used.
    is_path: bool,
    /// Whether HTTP is spoken over every connection.
    is_http: bool,
    known: Vec<(Security, Rc<RaceRequest>)>,
}

impl<'a> TargetRaces<'a> {
    pub(super) fn new(base: RaceRequest, args: &'a ConnectionArgs) -> Self {
        Self {
            base,
            tls: &args.tls,
            success: args.success,
            is_path: false,
            is_http: false,
            known: Vec::new(),
        }
    }

    pub(super) fn of_path(self) -> Self {
        Self { is_path: true, ..self }
    }

    pub(super) fn of_http(self) -> Self {
        Self { is_http: true, ..self }
    }

    /// Races of redirects, whose URLs alone decide about TLS.
    pub(super) fn of_redirect(base: RaceRequest, tls: &'a TlsArgs) -> Self {
        let known = Vec::new();
        Self { base, tls, success: None, is_path: false, is_http: true, known }
    }

    /// The race of a target whose URL has this security; `None` for a target without a scheme.
    ///
    /// # Errors
    /// UDP with TLS, and files that cannot be read.
    pub(super) fn get(&mut self, url: Option<Security>) -> Result<Rc<RaceRequest>, FatalError> {
        let security = match self.security(url)? {
            Security::Tls([]) if self.is_http => Security::Tls(HTTP),
            security => security,
        };
        if let Some((_, race)) = self.known.iter().find(|(known, _)| *known == security) {
            return Ok(Rc::clone(race));
        }
        let mut race = self.base.clone();
        match security {
            Security::Plain => {}
            Security::Datagrams => race.set_udp(),
            Security::Tls(_) | Security::StartTls(_) => {
                race.tls = Some(TlsRequest::new(self.tls, security)?);
            }
        }
        race.set_success(self.success)?;
        let race = Rc::new(race);
        self.known.push((security, Rc::clone(&race)));
        Ok(race)
    }

    /// # Errors
    /// Flags about TLS, and no target that uses it.
    pub(super) fn check_flags(&self) -> Result<(), FatalError> {
        let has_tls = self.known.iter().any(|(_, race)| race.tls.is_some());
        match self.tls.implies_tls() && !has_tls {
            false => Ok(()),
            true => Err(FatalError::usage(
                "flags about TLS have no effect here: no target uses TLS; add --tls if it does",
            )),
        }
    }

    /// Flags come before the URL. Flags that imply TLS do so for targets without a scheme.
    fn security(&self, url: Option<Security>) -> Result<Security, FatalError> {
        if self.is_path {
            let is_udp = self.base.udp || url == Some(Security::Datagrams);
            return Ok(if is_udp { Security::Datagrams } else { Security::Plain });
        }
        let asked = self.tls.security();
        match (self.base.udp, asked, url) {
            (true, _, None | Some(Security::Datagrams)) => Ok(Security::Datagrams),
            (true, ..) => Err(FatalError::usage(
                "--udp sends datagrams, and the scheme of the URL means TCP: write `udp://HOST:PORT`",
            )),
            (_, Some(_), Some(Security::Datagrams)) => Err(FatalError::usage(
                "TLS needs TCP, and `udp://` means datagrams: leave out one of them",
            )),
            (_, Some(Security::Tls(_)), Some(Security::Tls(alpn))) => Ok(Security::Tls(alpn)),
            (_, Some(asked), _) => Ok(asked),
            (_, None, Some(url)) => Ok(url),
            (_, None, None) if self.tls.implies_tls() => Ok(Security::Tls(&[])),
            (_, None, None) => Ok(Security::Plain),
        }
    }
}
