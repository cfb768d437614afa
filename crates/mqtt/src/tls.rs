//! TLS to the broker: trusted CAs, the client certificate, and errors in plain words.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    self, AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use glimpsed_base::files;
use glimpsed_base::secret::Secret;
use glimpsed_base::sync::Mutex;

/// The largest PEM file. A bundle of all public CAs has a quarter of this.
const MAX_PEM_BYTES: u64 = 1 << 20;

/// The PEM files for [`Tls::load`], each of at most 1 MiB.
#[derive(Debug, Clone, Default)]
pub struct Files<'a> {
    /// The trusted CA certificates; `None` for the system's.
    pub ca: Option<&'a Path>,
    /// The client certificate and its chain; only together with `key`.
    pub cert: Option<&'a Path>,
    /// The client certificate's private key, unencrypted; only together with `cert`.
    pub key: Option<&'a Path>,
}

/// A TLS configuration. Its files have been read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The trusted CA certificates as PEM; `None` for the system's.
    ca: Option<String>,
    identity: Option<Identity>,
    /// The name that the broker's certificate must be for; `None` for the broker's host.
    pub server_name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    cert: String,
    key: Secret,
}

/// An error in one of the files.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// The configuration key of the file: `ca`, `cert` or `key`.
    pub key: &'static str,
    /// What is wrong with it.
    pub cause: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    fn new(key: &'static str, cause: impl Into<String>) -> Self {
        Self { key, cause: cause.into(), hint: None }
    }

    fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl Tls {
    /// Reads the files, and checks that a TLS configuration can be made of them. `server_name` replaces the broker's
    /// host as the name that its certificate must be for.
    ///
    /// # Errors
    /// The first problem: an unreadable file, a key that others may read or its group may write, contents that are not
    /// PEM or not of the expected kind, a key without its certificate or the reverse, or a system without trusted CAs.
    pub fn load(files: &Files<'_>, server_name: Option<String>) -> Result<Self, Problem> {
        let read = |key, path: Option<&Path>| {
            path.map(|path| {
                let name = path.display();
                let bytes =
                    files::read(path, MAX_PEM_BYTES).map_err(|cause| Problem::new(key, format!("`{name}` {cause}")))?;
                let text = String::from_utf8(bytes).map_err(|error| not_text(key, path, error.as_bytes()))?;
                // Editors of other systems begin a file with a mark of its encoding.
                let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
                match text.trim().is_empty() {
                    true => Err(Problem::new(key, format!("`{name}` is empty"))),
                    false => Ok(text),
                }
            })
            .transpose()
        };
        if let Some(path) = files.key {
            refuse_open_key(path)?;
        }
        let identity = match (read("cert", files.cert)?, read("key", files.key)?) {
            (Some(cert), Some(key)) => Some(Identity { cert, key: Secret::new(key) }),
            (None, None) => None,
            (Some(_), None) => return Err(Problem::new("cert", "found no `key`").with_hint("set `key` too")),
            (None, Some(_)) => return Err(Problem::new("key", "found no `cert`").with_hint("set `cert` too")),
        };
        let tls = Self { ca: read("ca", files.ca)?, identity, server_name };
        tls.client_config(None)?;
        Ok(tls)
    }

    /// The configuration for rustls: TLS 1.2 and 1.3 with ring's primitives. `seen` gets the broker's certificate, even
    /// if it is not accepted.
    ///
    /// # Errors
    /// The first problem of the files' contents.
    pub fn client_config(&self, seen: Option<Seen>) -> Result<ClientConfig, Problem> {
        let provider = Arc::new(ring::default_provider());
        let roots = Arc::new(self.roots()?);
        let inner = |error: rustls::Error| Problem::new("ca", error.to_string());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(inner)?;
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
            .build()
            .map_err(|error| Problem::new("ca", error.to_string()))?;
        let builder = match seen {
            None => builder.with_webpki_verifier(verifier),
            Some(seen) => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Recorder { verifier, seen, provider }))
            }
        };
        let Some(Identity { cert, key }) = &self.identity else { return Ok(builder.with_no_client_auth()) };
        let chain = certificates("cert", cert)?;
        let key =
            PrivateKeyDer::from_pem_slice(key.reveal().as_bytes()).map_err(|error| unreadable_key(key, &error))?;
        builder.with_client_auth_cert(chain, key).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Problem::new("key", "it is not the key of the certificate in `cert`"),
            error => Problem::new("key", format!("it cannot be used: {error}")),
        })
    }

    fn roots(&self) -> Result<RootCertStore, Problem> {
        let mut roots = RootCertStore::empty();
        match &self.ca {
            Some(pem) => {
                for (place, certificate) in certificates("ca", pem)?.into_iter().enumerate() {
                    roots.add(certificate).map_err(|error| {
                        Problem::new("ca", format!("certificate number {} cannot be used: {error}", place + 1))
                    })?;
                }
            }
            None => {
                // Single unreadable certificates among the system's hundred are ignored.
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if roots.is_empty() {
                    return Err(Problem::new("ca", "the system has no list of trusted CAs")
                        .with_hint("install ca-certificates, or set `ca` to the file of the broker's CA"));
                }
            }
        }
        Ok(roots)
    }
}

/// Binary files of certificates begin as ASN.1 sequences do.
fn not_text(key: &'static str, path: &Path, bytes: &[u8]) -> Problem {
    let name = path.display();
    match bytes {
        [0x30, 0x80..=0x84, ..] => {
            let tool = if key == "key" { "pkey" } else { "x509" };
            Problem::new(key, format!("`{name}` is binary (DER or PKCS #12), not PEM"))
                .with_hint(format!("of a DER file, `openssl {tool} -inform der -in {name} -out FILE` makes a PEM file"))
        }
        _ => Problem::new(key, format!("`{name}` is not text")),
    }
}

/// Whether a certificate can be issued for this name: a DNS name or an IP address.
pub fn is_server_name(name: &str) -> bool {
    ServerName::try_from(name).is_ok()
}

/// Refuses a key that others can access or its group can write. The group may read it, as with PostgreSQL, because
/// daemons often get access to a key through a group.
fn refuse_open_key(path: &Path) -> Result<(), Problem> {
    let Some(mode) = files::too_open(path) else { return Ok(()) };
    let cause = format!("`{}` has mode {mode:04o}: others could read the key, or the group replace it", path.display());
    Err(Problem::new("key", cause).with_hint(format!("chmod 0600 {0}, or 0640 and the daemon's group", path.display())))
}

fn certificates(key: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Problem::new(key, format!("it is not PEM: {error}")))?;
    if certificates.is_empty() {
        let cause = match pem.contains("PRIVATE KEY-----") {
            true => "it holds a private key instead of a certificate",
            false => "it holds no certificate",
        };
        return Err(Problem::new(key, cause).with_hint("a PEM file with `-----BEGIN CERTIFICATE-----` is needed"));
    }
    Ok(certificates)
}

fn unreadable_key(key: &Secret, error: &pem::Error) -> Problem {
    let text = key.reveal();
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Problem::new("key", "it is encrypted, and a daemon has nobody to ask for the passphrase")
            .with_hint("openssl pkey -in KEY -out DECRYPTED, then chmod 0600");
    }
    match error {
        pem::Error::NoItemsFound => Problem::new("key", "it holds no private key")
            .with_hint("a PEM file with `-----BEGIN PRIVATE KEY-----` is needed"),
        error => Problem::new("key", format!("it is not PEM: {error}")),
    }
}

/// A cell for the certificate (DER) that the broker presents during the handshake, accepted or not. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Seen(Arc<Mutex<Option<Vec<u8>>>>);

impl Seen {
    /// Takes the certificate out, if the broker has presented one.
    pub fn take(&self) -> Option<Vec<u8>> {
        self.0.lock().take()
    }
}

/// Records the broker's certificate and delegates the decision to rustls' verifier.
#[derive(Debug)]
struct Recorder {
    verifier: Arc<WebPkiServerVerifier>,
    seen: Seen,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.seen.0.lock() = Some(end_entity.to_vec());
        self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Explains an error of TLS; `None` for other errors. A refused client certificate is reported after the handshake, on
/// the first read.
pub(super) fn explain_io(error: &io::Error) -> Option<String> {
    error.get_ref()?.downcast_ref::<rustls::Error>().map(explain)
}

fn explain(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(error) => explain_certificate(error),
        rustls::Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateRequired => {
                "the broker wants a client certificate; set `cert` and `key` in [mqtt.tls]".into()
            }
            // TLS 1.2 has one alert for both.
            AlertDescription::HandshakeFailure => {
                "the broker ended the TLS handshake: it wants a client certificate (set `cert` and `key` in [mqtt.tls]), or its own is of a kind \
                 that is not known here (RSA, P-256, P-384 and Ed25519 are)"
                    .into()
            }
            AlertDescription::ProtocolVersion => {
                "the broker speaks neither TLS 1.2 nor TLS 1.3; older ones are not safe".into()
            }
            AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied => {
                format!(
                    "the broker refused the client certificate in `cert` ({alert:?}); is it signed by the CA that the broker trusts, and not expired?"
                )
            }
            alert => format!("the broker ended the TLS handshake ({alert:?})"),
        },
        rustls::Error::InvalidMessage(_) => {
            "the answer was not TLS; is this the broker's TLS port? mqtt:// is without TLS".into()
        }
        error => format!("TLS failed: {error}"),
    }
}

/// Names of a certificate that are told.
const MAX_NAMES: usize = 10;

const RECIPE: &str = "docs/mqtt.md has the commands for one that can be verified (Certificates of your own)";

fn explain_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the broker's certificate has expired on {}; renew it, or set this device's clock", date(*not_after))
        }
        CertificateError::Expired => "the broker's certificate has expired; renew it, or set this device's clock".into(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the broker's certificate is not valid yet; is this device's clock right?".into()
        }
        CertificateError::UnknownIssuer => {
            "the broker's certificate is not signed by a CA that is trusted here; set `ca` in [mqtt.tls] to the CA's file".into()
        }
        CertificateError::NotValidForNameContext { expected, presented } => other_name(&expected.to_str(), presented),
        CertificateError::NotValidForName => {
            "the broker's certificate is for another name; set `server_name` in [mqtt.tls]".into()
        }
        CertificateError::Revoked => "the broker's certificate is revoked".into(),
        // The verifier's own errors, which have no names here.
        CertificateError::Other(error) if error.to_string().contains("CaUsedAsEndEntity") => {
            format!("the broker's certificate is that of a CA, as `openssl req -x509` makes it, and a CA's cannot be a broker's; {RECIPE}")
        }
        CertificateError::Other(error) if error.to_string().contains("UnsupportedCertVersion") => {
            format!("the broker's certificate is of X.509 version 1, which can name no host: it was made without extensions; {RECIPE}")
        }
        CertificateError::Other(error) => {
            format!("the broker's certificate cannot be trusted: {}; {RECIPE}", words(&error.to_string()))
        }
        other => format!("the broker's certificate cannot be trusted: {other}; {RECIPE}"),
    }
}

/// The certificate is for other names than the one that is expected. The verifier presents each as `DnsName("x")`, `IpAddress(x)`, and the like.
fn other_name(expected: &str, presented: &[String]) -> String {
    let inside = |name: &str, kind: &str| {
        let name = name.strip_prefix(kind)?.strip_prefix('(')?.strip_suffix(')')?;
        Some(name.trim_matches('"').to_owned())
    };
    let hosts = presented.iter().filter_map(|name| inside(name, "DnsName").or_else(|| inside(name, "IpAddress")));
    let hosts: Vec<String> = hosts.take(MAX_NAMES).collect();
    if hosts.is_empty() {
        return format!(
            "the broker's certificate names no host: a common name does not count, it needs `subjectAltName` with `{expected}`; {RECIPE}"
        );
    }
    if hosts.iter().any(|host| host == expected) {
        return format!(
            "the broker's certificate has `{expected}` as a name and not as an address: it needs `IP:{expected}` in `subjectAltName`; {RECIPE}"
        );
    }
    let hosts: Vec<String> = hosts.iter().map(|host| format!("`{host}`")).collect();
    format!(
        "the broker's certificate is not for `{expected}` but for {}; set `server_name` in [mqtt.tls] to one of its names",
        hosts.join(", ")
    )
}

/// `Other(OtherError(UnsupportedCriticalExtension))`: unsupported critical extension.
fn words(name: &str) -> String {
    let innermost = name.trim_end_matches(')').rsplit('(').next().unwrap_or(name);
    let mut words = String::new();
    for letter in innermost.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| "an unknown day".into(), |time| time.strftime("%F").to_string())
}
