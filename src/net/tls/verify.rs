//! Verifies a server's certificates, and records them with the result.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, PeerMisbehaved, RootCertStore, SignatureScheme,
};
use webpki::{EndEntityCert, Error as PathError, KeyUsage, RawPublicKeyEntity};

use super::certificate::RSA_BITS;
use super::info::{TlsPeer, TlsVerdict};
use super::ocsp::{self, OcspStatus};
use super::peer_certificate::{CertificateKey, Parts, PeerCertificate};
use super::{CertificateProblem, TlsConfigError, signature};

/// Placeholder for a name that is not checked. It cannot exist (RFC 6761 section 6.4).
pub(super) const ANY_NAME: &str = "nobody.invalid";

thread_local! {
    /// A verifier belongs to a configuration, and not to a connection, because resumed sessions are bound to it. The
    /// result is therefore recorded here and taken by the session that called the verifier, on the same thread.
    static VERIFICATION: RefCell<Option<TlsPeer>> = const { RefCell::new(None) };
    /// Problem that shows after the verification of the certificates.
    static LATER_PROBLEM: RefCell<Option<CertificateProblem>> = const { RefCell::new(None) };
}

/// Moves a recorded result to the peer that it is about.
pub(super) fn take_verification(peer: &mut TlsPeer) {
    if let Some(said) = VERIFICATION.take() {
        *peer = TlsPeer { asks_for_certificate: peer.asks_for_certificate, ..said };
    }
    if let Some(problem) = LATER_PROBLEM.take() {
        peer.problems.push(problem.clone());
        peer.verdict = TlsVerdict::Failed(problem);
    }
}

#[derive(Debug)]
pub(super) struct Verifier {
    /// `None` without trusted authorities.
    roots: Option<Arc<RootCertStore>>,
    /// Certificates that are trusted themselves, whether they are authorities' or not.
    trusted: Vec<CertificateDer<'static>>,
    accepts_any: bool,
}

/// Result of a verification.
#[derive(Default)]
struct Judgement {
    problems: Vec<CertificateProblem>,
    /// Positions in the chain of the certificates that were verified.
    path: Vec<usize>,
    /// Key of the issuer of the server's certificate.
    issuer_key: Option<Vec<u8>>,
}

impl Verifier {
    pub(super) fn new(
        roots: Option<Arc<RootCertStore>>,
        trusted: Vec<CertificateDer<'static>>,
        accepts_any: bool,
    ) -> Result<Arc<Self>, TlsConfigError> {
        if roots.as_ref().is_some_and(|roots| roots.is_empty() && trusted.is_empty()) {
            return Err(TlsConfigError::new("CA", "there is no authority in it"));
        }
        Ok(Arc::new(Self { roots, trusted, accepts_any }))
    }

    /// All problems of the chain that can be known, the most basic first.
    fn judge(
        &self,
        own: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        roots: &RootCertStore,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Judgement {
        let sent = chain.len() + 1;
        let entity = match EndEntityCert::try_from(own) {
            Ok(entity) => entity,
            Err(_) if self.trusted.iter().any(|trusted| trusted == own) => {
                return Judgement {
                    problems: date_problems(own, now),
                    path: vec![0],
                    issuer_key: None,
                };
            }
            Err(error) => {
                let mut problems = vec![CertificateProblem::of_path(&error, sent)];
                problems.extend(date_problems(own, now));
                return Judgement { problems, ..Judgement::default() };
            }
        };
        let mut judged = self.judge_path(own, &entity, chain, roots, now);
        if name.to_str() != ANY_NAME
            && let Err(error) = entity.verify_is_valid_for_subject_name(name)
        {
            judged.problems.push(CertificateProblem::of_path(&error, sent));
        }
        judged
    }

    fn judge_path(
        &self,
        own: &CertificateDer<'_>,
        entity: &EndEntityCert<'_>,
        chain: &[CertificateDer<'_>],
        roots: &RootCertStore,
        now: UnixTime,
    ) -> Judgement {
        let mut judged = Judgement::default();
        let mut time = now;
        // Because an expired certificate hides what else is wrong, the check is repeated for the time of its validity.
        for _ in 0..MAX_DATES {
            let verified = entity.verify_for_usage(
                signature::algorithms().all,
                &roots.roots,
                chain,
                time,
                KeyUsage::server_auth(),
                None,
                None,
            );
            let error = match verified {
                Ok(path) => {
                    let used = path.intermediate_certificates().map(|used| used.der());
                    let at = |used: CertificateDer<'_>| chain.iter().position(|one| *one == used);
                    judged.path =
                        [0].into_iter().chain(used.filter_map(at).map(|at| at + 1)).collect();
                    judged.issuer_key = Some(path.issuer_spki().to_vec());
                    break;
                }
                Err(error) => error,
            };
            if self.trusted.iter().any(|trusted| trusted == own) {
                // As OpenSSL's X509_V_FLAG_PARTIAL_CHAIN.
                judged.problems = date_problems(own, now);
                judged.path = vec![0];
                break;
            }
            let problem = match error {
                PathError::InvalidSignatureForPublicKey => bad_signature(own, chain, roots),
                ref error => CertificateProblem::of_path(error, chain.len() + 1),
            };
            let problem = at_time(problem, now);
            if judged.problems.contains(&problem) {
                break;
            }
            judged.problems.push(problem);
            match error {
                PathError::CertExpired { not_after, .. } => time = not_after,
                PathError::CertNotValidYet { not_before, .. } => time = not_before,
                _ => break,
            }
        }
        for problem in date_problems(own, now) {
            if !judged.problems.contains(&problem) {
                judged.problems.push(problem);
            }
        }
        judged
    }

    fn check_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
        is_13: bool,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = signature::algorithms().mapping;
        let is_offered = |(scheme, _): &&(SignatureScheme, _)| *scheme == signed.scheme;
        let is_pkcs1 = matches!(
            signed.scheme,
            SignatureScheme::RSA_PKCS1_SHA256
                | SignatureScheme::RSA_PKCS1_SHA384
                | SignatureScheme::RSA_PKCS1_SHA512
        );
        let Some((_, algorithms)) = known.iter().find(is_offered).filter(|_| !(is_13 && is_pkcs1))
        else {
            return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
        };
        // TLS 1.3 fixes the curve of a scheme, and TLS 1.2 does not.
        let algorithms = if is_13 { &algorithms[..1] } else { algorithms };
        let key = Parts::of(own).map(|parts| parts.public_key.into());
        let is_right = key.is_some_and(|key| {
            let Ok(entity) = RawPublicKeyEntity::try_from(&key) else { return false };
            algorithms
                .iter()
                .any(|one| entity.verify_signature(*one, message, signed.signature()).is_ok())
        });
        if is_right || (self.accepts_any && key_problem(own).is_some()) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        LATER_PROBLEM.set(Some(CertificateProblem::BadHandshakeSignature));
        Err(CertificateError::BadSignature.into())
    }
}

/// Maximum number of checks of one chain, each at the time of another certificate's validity.
const MAX_DATES: usize = 4;

fn date_problems(own: &CertificateDer<'_>, now: UnixTime) -> Vec<CertificateProblem> {
    let read = PeerCertificate::read(own).unwrap_or_default();
    let checked_at = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs());
    let expired = read.not_after.filter(|end| *end < checked_at);
    let early = read.not_before.filter(|start| checked_at < *start);
    let expired = expired.map(|not_after| CertificateProblem::Expired { not_after, checked_at });
    let early = early.map(|not_before| CertificateProblem::NotYetValid { not_before, checked_at });
    expired.into_iter().chain(early).collect()
}

/// The problem with the real time of the check.
fn at_time(problem: CertificateProblem, now: UnixTime) -> CertificateProblem {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs());
    match problem {
        CertificateProblem::Expired { not_after, .. } => {
            CertificateProblem::Expired { not_after, checked_at: now }
        }
        CertificateProblem::NotYetValid { not_before, .. } => {
            CertificateProblem::NotYetValid { not_before, checked_at: now }
        }
        problem => problem,
    }
}

/// Reason for a signature that could not be verified: perhaps the size of an issuer's key.
fn bad_signature(
    own: &CertificateDer<'_>,
    chain: &[CertificateDer<'_>],
    roots: &RootCertStore,
) -> CertificateProblem {
    let sent = chain.iter().find_map(key_problem);
    let all = [own].into_iter().chain(chain);
    let issuers: Vec<&[u8]> = all.filter_map(|one| Some(Parts::of(one)?.issuer)).collect();
    let is_used = |root: &&TrustAnchor<'_>| issuers.contains(&&root.subject[..]);
    let trusted = || {
        let keys = roots.roots.iter().filter(is_used).map(webpki::spki_for_anchor);
        keys.map(|key| CertificateKey::read(&key)).find_map(|key| size_problem(&key))
    };
    sent.or_else(trusted).unwrap_or(CertificateProblem::BadSignature)
}

/// Problem of a key whose signatures are not verified.
fn key_problem(certificate: &CertificateDer<'_>) -> Option<CertificateProblem> {
    size_problem(&PeerCertificate::read(certificate)?.key)
}

fn size_problem(key: &CertificateKey) -> Option<CertificateProblem> {
    let bits = key.bits.filter(|bits| !RSA_BITS.contains(bits))?;
    Some(CertificateProblem::KeySize { bits })
}

/// Error of rustls for a problem, which decides the alert.
fn rejection(problem: &CertificateProblem) -> CertificateError {
    match problem {
        CertificateProblem::Expired { .. } => CertificateError::Expired,
        CertificateProblem::NotYetValid { .. } => CertificateError::NotValidYet,
        CertificateProblem::WrongName { .. } => CertificateError::NotValidForName,
        CertificateProblem::UnknownIssuer { .. } => CertificateError::UnknownIssuer,
        CertificateProblem::Revoked => CertificateError::Revoked,
        CertificateProblem::BadSignature => CertificateError::BadSignature,
        CertificateProblem::BadEncoding => CertificateError::BadEncoding,
        CertificateProblem::Purpose => CertificateError::InvalidPurpose,
        _ => CertificateError::ApplicationVerificationFailure,
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self
            .roots
            .as_ref()
            .map(|roots| self.judge(end_entity, intermediates, roots, server_name, now));
        let is_checked = judged.is_some();
        let Judgement { mut problems, path, issuer_key } = judged.unwrap_or_default();
        problems.extend(key_problem(end_entity));
        let answer = (!ocsp_response.is_empty())
            .then(|| ocsp::read(ocsp_response, end_entity, intermediates, issuer_key, now));
        let is_revoked = answer.as_ref().is_some_and(|answer| {
            answer.is_signed == Some(true) && matches!(answer.status, OcspStatus::Revoked { .. })
        });
        problems.extend(is_revoked.then_some(CertificateProblem::Revoked));
        let verdict = match problems.first() {
            Some(problem) => TlsVerdict::Failed(problem.clone()),
            None if is_checked => TlsVerdict::Verified,
            None => TlsVerdict::NotChecked,
        };
        let chain = [end_entity].into_iter().chain(intermediates);
        let rejected = problems.first().map(rejection);
        VERIFICATION.set(Some(TlsPeer {
            chain: chain.map(|certificate| certificate.to_vec()).collect(),
            path,
            verdict,
            problems,
            ocsp_stapled: !ocsp_response.is_empty(),
            ocsp: answer,
            ..TlsPeer::default()
        }));
        match rejected {
            Some(error) if !self.accepts_any => Err(error.into()),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, own, signed, false)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, own, signed, true)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        signature::algorithms().supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::tls::identity::certificates;
    use crate::net::tls::trust;

    #[test]
    fn tls_01_a_stapled_statement_is_noted() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let chain = certificates("test", made.cert.pem().as_bytes()).unwrap();
        let roots = trust::only(&chain).unwrap();
        let verifier = Verifier::new(Some(roots), chain.clone(), false).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        for statement in [&b""[..], b"good"] {
            let now = UnixTime::now();
            verifier.verify_server_cert(&chain[0], &[], &name, statement, now).unwrap();
            let mut peer = TlsPeer::default();
            take_verification(&mut peer);
            assert_eq!(
                (peer.verdict, peer.ocsp_stapled),
                (TlsVerdict::Verified, !statement.is_empty())
            );
            assert_eq!(peer.ocsp.is_some(), !statement.is_empty());
            assert_eq!(peer.chain, [chain[0].to_vec()]);
        }
    }
}
