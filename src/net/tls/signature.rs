//! Signature algorithms: those of ring, with P-521 and RSA keys that are for PSS only.

use std::sync::OnceLock;

use p521::ecdsa::signature::hazmat::PrehashVerifier;
use p521::ecdsa::{Signature, VerifyingKey};
use rustls::SignatureScheme;
use rustls::crypto::{WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use sha2::{Digest, Sha256, Sha384, Sha512};
use webpki::ring as ring_algorithms;

/// ECDSA on P-521 (FIPS 186-5), which ring has not.
#[derive(Debug)]
struct P521 {
    signature: AlgorithmIdentifier,
    digest: fn(&[u8]) -> Vec<u8>,
}

impl SignatureVerificationAlgorithm for P521 {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P521
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }

    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key = VerifyingKey::from_sec1_bytes(public_key).map_err(|_| InvalidSignature)?;
        let signature = Signature::from_der(signature).map_err(|_| InvalidSignature)?;
        let digest = (self.digest)(message);
        // Because the crate refuses a digest below half the size of the field; zeros in front do not change its value.
        let padded = [vec![0; 64 - digest.len()], digest].concat();
        key.verify_prehash(&padded, &signature).map_err(|_| InvalidSignature)
    }
}

static P521_SHA256: P521 =
    P521 { signature: alg_id::ECDSA_SHA256, digest: |data| Sha256::digest(data).to_vec() };
static P521_SHA384: P521 =
    P521 { signature: alg_id::ECDSA_SHA384, digest: |data| Sha384::digest(data).to_vec() };
static P521_SHA512: P521 =
    P521 { signature: alg_id::ECDSA_SHA512, digest: |data| Sha512::digest(data).to_vec() };

/// RSASSA-PSS with a key of the type id-RSASSA-PSS without parameters (RFC 4055 section 3.1).
#[derive(Debug)]
struct PssKey(&'static dyn SignatureVerificationAlgorithm);

impl SignatureVerificationAlgorithm for PssKey {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        // The object identifier 1.2.840.113549.1.1.10.
        AlgorithmIdentifier::from_slice(&[6, 9, 42, 134, 72, 134, 247, 13, 1, 1, 10])
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.0.signature_alg_id()
    }

    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        self.0.verify_signature(public_key, message, signature)
    }
}

static PSS_SHA256: PssKey = PssKey(ring_algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY);
static PSS_SHA384: PssKey = PssKey(ring_algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY);
static PSS_SHA512: PssKey = PssKey(ring_algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY);

type Algorithm = &'static dyn SignatureVerificationAlgorithm;

/// Signature schemes of RFC 8446, section 4.2.3; rustls has no names for those of PSS keys.
static SCHEMES: [(SignatureScheme, &[Algorithm]); 4] = [
    (SignatureScheme::ECDSA_NISTP521_SHA512, &[&P521_SHA512]),
    (SignatureScheme::Unknown(0x0809), &[&PSS_SHA256]),
    (SignatureScheme::Unknown(0x080a), &[&PSS_SHA384]),
    (SignatureScheme::Unknown(0x080b), &[&PSS_SHA512]),
];

/// All algorithms for certificates and handshakes.
pub(super) fn algorithms() -> WebPkiSupportedAlgorithms {
    static ALL: OnceLock<WebPkiSupportedAlgorithms> = OnceLock::new();
    *ALL.get_or_init(|| {
        let more: [Algorithm; 6] =
            [&P521_SHA256, &P521_SHA384, &P521_SHA512, &PSS_SHA256, &PSS_SHA384, &PSS_SHA512];
        let known = ring::default_provider().signature_verification_algorithms;
        // Leaked once per process, because rustls takes slices of static lifetime.
        WebPkiSupportedAlgorithms {
            all: [known.all, &more].concat().leak(),
            mapping: [known.mapping, &SCHEMES].concat().leak(),
        }
    })
}
