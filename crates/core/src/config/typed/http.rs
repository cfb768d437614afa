//! The table of the web page and the HTTP interface.

use std::net::{IpAddr, SocketAddr};

use super::super::diagnostics::Absent;
use super::checker::Checker;
use super::configuration::Http;
use glimpsed_base::files::resolve;
use glimpsed_base::secret::{Secret, SecretError};

/// Shortest token, so that it cannot be guessed: 16 random hexadecimal digits are 64 bits.
const SHORTEST_TOKEN: usize = 16;

/// Limit of an upload in bytes, because all uploads in progress are held in memory. A camera's photograph has about 5
/// MB.
const MAX_UPLOAD: u32 = 64_000_000;

impl Checker<'_, '_> {
    pub(super) fn http(&mut self) -> Option<Http> {
        let http = &self.raw.http;
        self.within(&["http", "max_upload"], http.max_upload, 1000, MAX_UPLOAD);
        self.within(&["http", "max_clients"], http.max_clients, 1, 1000);
        for host in &http.hosts {
            if !is_host(host) {
                let hint = "a host name without scheme and port, for example \"camera.home.arpa\"".to_owned();
                self.complain(&["http", "hosts"], "must hold host names", format!("found `{host}`"), Some(hint));
            }
        }
        let token = http.token_file.as_ref().and_then(|file| {
            let path = resolve(self.base, file);
            let token = Secret::from_file(&path);
            // The error of a file whose mode is wrong says what to do, and its token is not to be overwritten.
            let is_too_open = matches!(token, Err(SecretError::TooOpen(_)));
            token
                .map_err(|cause| cause.to_string())
                .and_then(strong_enough)
                .map_err(|cause| {
                    let hint = (!is_too_open)
                        .then(|| format!("`(umask 077; openssl rand -hex 16 > {})` makes one", path.display()));
                    let found = format!("`{}` {cause}", path.display());
                    self.absent(Absent::Page, &["http", "token_file"], "cannot be used", found, hint);
                })
                .ok()
        });
        let Ok(listen) = http.listen.parse::<SocketAddr>() else {
            let hint = match http.listen.trim_start_matches("localhost").trim_start_matches(':').parse::<u16>() {
                Ok(port) => format!("\"127.0.0.1:{port}\" is for this machine alone, \"0.0.0.0:{port}\" for all"),
                Err(_) => "for example \"127.0.0.1:8080\", \"0.0.0.0:8080\" or \"[::]:8080\"".into(),
            };
            let found = format!("found `{}`", http.listen);
            self.complain(&["http", "listen"], "must be an address and a port", found, Some(hint));
            return None;
        };
        let ingress = self.ingress();
        if http.enabled && !listen.ip().is_loopback() && http.token_file.is_none() && http.ingress.is_none() {
            let hint =
                "others can connect there, so set `token_file`; or listen on 127.0.0.1, or set `enabled = false`";
            let found = format!("found `{listen}` and no `token_file`");
            self.complain(&["http", "listen"], "needs a token", found, Some(hint.into()));
        }
        http.enabled.then(|| Http {
            listen,
            token,
            hosts: http.hosts.iter().map(|host| host.to_lowercase()).collect(),
            ingress,
            max_upload: http.max_upload as usize,
            max_clients: http.max_clients as usize,
        })
    }

    /// One address of another machine: on this one every program could be the proxy.
    fn ingress(&mut self) -> Option<IpAddr> {
        let given = self.raw.http.ingress.as_ref()?;
        let address = given.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        let is_one = |address: &IpAddr| {
            let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
            !(address.is_unspecified() || address.is_multicast() || address.is_loopback() || is_broadcast)
        };
        let address = address.filter(is_one);
        if address.is_none() {
            let hint =
                "Home Assistant's ingress is \"172.30.32.2\"; a proxy on this machine needs the token".to_owned();
            self.complain(
                &["http", "ingress"],
                "must be the address of one other machine",
                format!("found `{given}`"),
                Some(hint),
            );
        }
        address
    }
}

fn strong_enough(token: Secret) -> Result<Secret, String> {
    let visible = token.reveal().bytes().all(|byte| byte.is_ascii_graphic());
    match token.reveal().len() {
        _ if !visible => Err("has a token with spaces or other than ASCII characters".into()),
        length if length < SHORTEST_TOKEN => {
            Err(format!("has a token of {length} characters; {SHORTEST_TOKEN} are needed"))
        }
        _ => Ok(token),
    }
}

fn is_host(name: &str) -> bool {
    let label =
        |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    name.len() <= 253 && name.split('.').all(label)
}
