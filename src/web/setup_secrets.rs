//! The secrets that the set-up is given or makes: each goes into a file of the state directory, which only the daemon can read, and is
//! never shown again.

use std::io::Write;
use std::path::{Path, PathBuf};

use axum::http::StatusCode;
use glimpsed_base::hex::hex;
use glimpsed_base::known;
use glimpsed_base::secret::Secret;
use glimpsed_core::directories::{self, NotKept};
use ring::rand::{SecureRandom, SystemRandom};

use super::problem::Problem;

const MODE: u32 = 0o600;

/// What the file of the page's token is called.
const TOKEN: &str = "http-token";

/// As brokers and cameras take them.
const LONGEST: usize = 1024;

/// A secret that is on its way into its file.
pub(super) struct Kept {
    /// What it is for.
    kind: &'static str,
    secret: Secret,
    /// Where it is while it is tried; this file goes with it.
    tried: tempfile::NamedTempFile,
}

impl Kept {
    /// # Errors
    /// When it cannot be a secret's first line, or there is no room for it.
    pub(super) fn new(kind: &'static str, secret: &str) -> Result<Self, Problem> {
        if secret.len() > LONGEST || secret.chars().any(char::is_control) {
            let detail = format!("a password has at most {LONGEST} bytes, in one line");
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
        }
        known::remember(secret);
        let failed = |error: std::io::Error| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("there is no room for a temporary file: {error}"))
        };
        let mut tried = tempfile::NamedTempFile::new().map_err(failed)?;
        writeln!(tried, "{secret}").map_err(failed)?;
        Ok(Self { kind, secret: Secret::new(secret), tried })
    }

    /// A new token for the page.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub(super) fn token() -> Result<Self, Problem> {
        let none = |error: NoRandomNumbers| Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string());
        Self::new(TOKEN, new_token().map_err(none)?.reveal())
    }

    pub(super) fn secret(&self) -> &Secret {
        &self.secret
    }

    pub(super) fn tried(&self) -> &Path {
        self.tried.path()
    }

    /// The name of its file, beside the state of the daemon with this configuration.
    pub(super) fn name(&self, config: &Path) -> String {
        name(self.kind, config)
    }

    /// # Errors
    /// Why it cannot be kept.
    pub(super) fn keep(&self, config: &Path) -> Result<PathBuf, NotKept> {
        keep(self.kind, config, &self.secret)
    }
}

/// The system has no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("the system has no random numbers")]
pub struct NoRandomNumbers;

/// A token for the page, of 128 random bits.
///
/// # Errors
/// When the system has no random numbers.
pub fn new_token() -> Result<Secret, NoRandomNumbers> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomNumbers)?;
    Ok(Secret::new(hex(&bytes)))
}

/// Keeps a token beside the state of the daemon with this configuration.
///
/// # Errors
/// Why it cannot be kept.
pub fn keep_token(config: &Path, token: &Secret) -> Result<PathBuf, NotKept> {
    keep(TOKEN, config, token)
}

fn keep(kind: &str, config: &Path, secret: &Secret) -> Result<PathBuf, NotKept> {
    directories::keep_state(&name(kind, config), format!("{}\n", secret.reveal()).as_bytes(), MODE)
}

fn name(kind: &str, config: &Path) -> String {
    directories::name_for(config, kind, "secret")
}
