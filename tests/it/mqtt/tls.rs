//! TLS to a real mosquitto, with certificates made for the test.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

use super::{Device, settings};
use crate::support::{Broker, ConfigFile, run};

/// Files that everybody may read, because mosquitto gives up root's rights, but for the device's key.
struct Pki {
    directory: tempfile::TempDir,
    ca: Issuer<'static, KeyPair>,
}

impl Pki {
    fn new() -> Self {
        Self::named("test CA")
    }

    fn named(name: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).expect("ours");
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.self_signed(&key).expect("a certificate");
        let pki = Self { directory, ca: Issuer::new(parameters, key) };
        pki.write("ca.crt", &certificate.pem(), 0o644);
        pki
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).expect("writable");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("ours");
    }

    /// `<name>.crt` and `<name>.key`, for `host`, until the end of `year`.
    fn issue(&self, name: &str, host: &str, year: i32, key_mode: u32) {
        let mut parameters = CertificateParams::new(vec![host.to_owned()]).expect("a name");
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.not_before = date_time_ymd(2000, 1, 1);
        parameters.not_after = date_time_ymd(year, 12, 31);
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.signed_by(&key, &self.ca).expect("a certificate");
        self.write(&format!("{name}.crt"), &certificate.pem(), 0o644);
        self.write(&format!("{name}.key"), &key.serialize_pem(), key_mode);
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    fn broker(&self, rest: &str) -> Broker {
        let (ca, crt, key) = (self.path("ca.crt"), self.path("broker.crt"), self.path("broker.key"));
        Broker::with(&format!("allow_anonymous true\ncafile {ca}\ncertfile {crt}\nkeyfile {key}\n{rest}"))
    }
}

fn url(broker: &Broker) -> String {
    format!("mqtts://127.0.0.1:{}", broker.port)
}

/// What `mqtt test` says of the step that failed, after its exit code was seen to be 69.
fn refused(broker: &Broker, tls: &str) -> String {
    let config =
        ConfigFile::new(&format!("[device]\nid = \"test\"\n[mqtt]\nurl = {:?}\n[mqtt.tls]\n{tls}", url(broker)));
    let ran = run(&["mqtt", "test", "--json", "-c", &config.path()]);
    assert_eq!(ran.code, 69, "{ran:?}");
    let report = ran.json();
    let failed =
        report["steps"].as_array().expect("steps").iter().find(|step| step["ok"] == false).expect("one failed");
    failed["says"].as_str().expect("text").to_owned()
}

#[test]
fn a_session_with_a_private_ca_and_a_client_certificate_holds() {
    let pki = Pki::new();
    pki.issue("broker", "127.0.0.1", 2090, 0o644);
    pki.issue("device", "test", 2090, 0o600);
    let broker = pki.broker("require_certificate true");
    let (ca, cert, key) = (pki.path("ca.crt"), pki.path("device.crt"), pki.path("device.key"));
    let tls = format!("[mqtt.tls]\nca = {ca:?}\ncert = {cert:?}\nkey = {key:?}\n");
    let device = Device::start(settings(&url(&broker), &tls));
    device.events(0..100);
    assert_eq!(device.idle().published.event, 100);
    let config = ConfigFile::new(&format!("[device]\nid = \"test\"\n[mqtt]\nurl = {:?}\n{tls}", url(&broker)));
    let ran = run(&["mqtt", "test", "-c", &config.path()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("certificate of `broker`, signed by `test CA`, valid until 2090-12-31"), "{ran:?}");
}

#[test]
fn a_ca_as_an_editor_of_another_system_saves_it_is_read() {
    let pki = Pki::new();
    let ca = std::fs::read_to_string(pki.path("ca.crt")).expect("readable").replace('\n', "\r\n");
    pki.write("saved.crt", &format!("\u{feff}{ca}"), 0o644);
    let config = ConfigFile::new(&format!(
        "[mqtt]\nurl = \"mqtts://broker\"\n[mqtt.tls]\nca = {:?}\n",
        Path::new(&pki.path("saved.crt"))
    ));
    let ran = run(&["check", "-c", &config.path()]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_missing_client_certificate_is_asked_for() {
    let pki = Pki::new();
    pki.issue("broker", "127.0.0.1", 2090, 0o644);
    let says = refused(&pki.broker("require_certificate true"), &format!("ca = {:?}\n", pki.path("ca.crt")));
    assert!(says.contains("wants a client certificate; set `cert` and `key`"), "{says}");
}

#[test]
fn a_client_certificate_of_another_ca_is_said_to_be_refused() {
    let (pki, other) = (Pki::new(), Pki::named("another CA"));
    pki.issue("broker", "127.0.0.1", 2090, 0o644);
    other.issue("device", "test", 2090, 0o640);
    let (ca, cert, key) = (pki.path("ca.crt"), other.path("device.crt"), other.path("device.key"));
    let says =
        refused(&pki.broker("require_certificate true"), &format!("ca = {ca:?}\ncert = {cert:?}\nkey = {key:?}\n"));
    assert!(says.contains("refused the client certificate in `cert`"), "{says}");
}

#[test]
fn an_expired_certificate_says_since_when() {
    let pki = Pki::new();
    pki.issue("broker", "127.0.0.1", 2020, 0o644);
    let says = refused(&pki.broker(""), &format!("ca = {:?}\n", pki.path("ca.crt")));
    assert!(says.contains("has expired on 2020-12-31; renew it"), "{says}");
}

#[test]
fn an_unknown_ca_says_where_to_name_it() {
    let (pki, other) = (Pki::new(), Pki::named("another CA"));
    pki.issue("broker", "127.0.0.1", 2090, 0o644);
    let broker = pki.broker("");
    for tls in [String::new(), format!("ca = {:?}\n", other.path("ca.crt"))] {
        let says = refused(&broker, &tls);
        assert!(says.contains("not signed by a CA that is trusted here; set `ca`"), "{says}");
        assert!(says.contains("signed by `test CA`"), "{says}");
    }
}

#[test]
fn a_certificate_for_another_name_needs_server_name() {
    let pki = Pki::new();
    pki.issue("broker", "broker.home.arpa", 2090, 0o644);
    let broker = pki.broker("");
    let ca = format!("ca = {:?}\n", pki.path("ca.crt"));
    let says = refused(&broker, &ca);
    assert!(says.contains("is not for `127.0.0.1` but for") && says.contains("broker.home.arpa"), "{says}");
    let tls = format!("[mqtt.tls]\n{ca}server_name = \"broker.home.arpa\"\n");
    Device::start(settings(&url(&broker), &tls)).idle();
}

#[test]
fn tls_to_a_port_without_it_and_the_other_way_round_are_told_apart() {
    let plain = Broker::start();
    let says = refused(&plain, "");
    assert!(says.contains("TLS"), "{says}");
    let pki = Pki::new();
    pki.issue("broker", "127.0.0.1", 2090, 0o644);
    let broker = pki.broker("");
    let config = ConfigFile::new(&format!("[mqtt]\nurl = {:?}\n", broker.url()));
    let ran = run(&["mqtt", "test", "-c", &config.path()]);
    assert_eq!(ran.code, 69, "{ran:?}");
    assert!(ran.stdout.contains("expect TLS (mqtts://)") || ran.stdout.contains("was not MQTT"), "{ran:?}");
}

/// What `check` says about these files.
fn checked(tls: &str) -> String {
    let config = ConfigFile::new(&format!("[mqtt]\nurl = \"mqtts://broker\"\n[mqtt.tls]\n{tls}"));
    let ran = run(&["check", "-c", &config.path()]);
    assert_eq!(ran.code, 78, "{ran:?}");
    assert!(ran.stderr.contains("glimpsed.toml:"), "the place is named: {ran:?}");
    ran.stderr
}

#[test]
fn files_that_cannot_be_used_are_named_with_their_place_before_anything_starts() {
    let pki = Pki::new();
    pki.issue("device", "test", 2090, 0o600);
    pki.issue("other", "test", 2090, 0o600);
    pki.issue("open", "test", 2090, 0o644);
    pki.write("empty.crt", "", 0o644);
    pki.write("text.crt", "no certificate", 0o644);
    std::fs::write(pki.path("binary.crt"), b"\x30\x82\x03\x0b\x30\x82\x01\xf3\xff").expect("writable");
    pki.write("broken.crt", "-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n", 0o644);
    pki.write(
        "locked.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        0o600,
    );
    let path = |name: &str| Path::new(&pki.path(name)).to_owned();
    let pair = |cert: &str, key: &str| format!("cert = {:?}\nkey = {:?}\n", path(cert), path(key));
    for (tls, says) in [
        (format!("ca = {:?}\n", path("nowhere.crt")), "`mqtt.tls.ca` cannot be used"),
        (format!("ca = {:?}\n", path("empty.crt")), "is empty"),
        (format!("ca = {:?}\n", path("text.crt")), "it holds no certificate"),
        (format!("ca = {:?}\n", path("broken.crt")), "it is not PEM"),
        (format!("ca = {:?}\n", path("binary.crt")), "openssl x509 -inform der"),
        (format!("ca = {:?}\n", path("device.key")), "it holds a private key instead of a certificate"),
        (pair("device.crt", "other.key"), "it is not the key of the certificate in `cert`"),
        (pair("device.crt", "device.crt"), "others could read the key"),
        (pair("open.crt", "open.key"), "chmod 0600"),
        (pair("device.crt", "locked.key"), "it is encrypted"),
        (format!("cert = {:?}\n", path("device.crt")), "set `key` too"),
        ("server_name = \"not a name\"\n".into(), "`mqtt.tls.server_name` must be a host name"),
    ] {
        let report = checked(&tls);
        assert!(report.contains(says), "{tls}\n{report}");
        assert!(!report.contains("PRIVATE KEY-----\n"), "no key is shown");
    }
}

/// Runs openssl's commands as somebody types them, in a directory that mosquitto may read.
fn typed(commands: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).expect("ours");
    let ran = std::process::Command::new("sh").args(["-ec", commands]).current_dir(directory.path()).output();
    let ran = ran.expect("a shell");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    for entry in std::fs::read_dir(directory.path()).expect("readable").filter_map(Result::ok) {
        std::fs::set_permissions(entry.path(), PermissionsExt::from_mode(0o644)).expect("ours");
    }
    directory
}

/// A broker with the certificate, and what `mqtt test` with this `ca` says of it.
fn broker_of(directory: &Path) -> Broker {
    let at = |name: &str| directory.join(name).display().to_string();
    Broker::with(&format!("allow_anonymous true\ncertfile {}\nkeyfile {}", at("broker.crt"), at("broker.key")))
}

/// The first block in this language below a heading of the documentation.
fn block(page: &str, heading: &str, language: &str) -> String {
    let page = std::fs::read_to_string(crate::support::root().join("docs").join(page)).expect("the page");
    let (_, after) = page.split_once(heading).expect("the heading");
    let (_, block) = after.split_once(&format!("```{language}\n")).expect("a block");
    block.split_once("```").expect("its end").0.to_owned()
}

/// The commands of the documentation.
fn recipe() -> String {
    let block = block("mqtt.md", "### Certificates of your own", "sh");
    assert!(block.contains("IP:192.168.1.10"));
    block.replace("192.168.1.10", "127.0.0.1")
}

/// What docs/operate-many.md makes: certificates of two devices, and a broker that knows devices by them and has its access list.
fn fleet() -> (tempfile::TempDir, Broker) {
    let commands = block("operate-many.md", "## Certificates and their renewal", "sh");
    let directory = typed(&format!("{}{commands}{}", recipe(), commands.replace("gate-17", "gate-18")));
    for key in ["gate-17.key", "gate-18.key"] {
        std::fs::set_permissions(directory.path().join(key), PermissionsExt::from_mode(0o600)).expect("ours");
    }
    let list = block("operate-many.md", "## Permissions: one rule for all devices", "text");
    std::fs::write(directory.path().join("acl"), list).expect("writable");
    let at = |name: &str| directory.path().join(name).display().to_string();
    let broker = Broker::with(&format!(
        "cafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\nuse_identity_as_username true\nacl_file {}",
        at("ca.crt"),
        at("broker.crt"),
        at("broker.key"),
        at("acl")
    ));
    (directory, broker)
}

#[test]
fn the_documented_certificate_and_access_list_allow_a_device_its_own_topics_alone() {
    let (directory, broker) = fleet();
    let at = |name: &str| directory.path().join(name).display().to_string();
    for (id, code) in [("gate-17", 0), ("gate-18", 1)] {
        let (ca, cert, key) = (at("ca.crt"), at("gate-17.crt"), at("gate-17.key"));
        let tls = format!("[mqtt.tls]\nca = {ca:?}\ncert = {cert:?}\nkey = {key:?}\n");
        let config = ConfigFile::new(&format!("[device]\nid = {id:?}\n[mqtt]\nurl = {:?}\n{tls}", url(&broker)));
        let ran = run(&["mqtt", "test", "-c", &config.path()]);
        assert_eq!(ran.code, code, "{id}: {ran:?}");
    }
}

#[test]
fn a_renewed_certificate_is_in_use_after_a_reload() {
    let (directory, mut broker) = fleet();
    let at = |name: &str| directory.path().join(name);
    let become_device = |name: &str| {
        for end in ["crt", "key"] {
            std::fs::copy(at(&format!("{name}.{end}")), at(&format!("device.{end}"))).expect("copied");
        }
    };
    become_device("gate-17");
    let (ca, cert, key) = (at("ca.crt"), at("device.crt"), at("device.key"));
    let tls = format!("[mqtt.tls]\nca = {ca:?}\ncert = {cert:?}\nkey = {key:?}\n");
    let daemon = ConfigFile::replay(2, &format!("[mqtt]\nurl = {:?}\n{tls}", url(&broker))).daemon();
    broker.running.line_with("u'gate-17'");
    // Under another name, so that the broker's log tells them apart.
    become_device("gate-18");
    daemon.signal(rustix::process::Signal::HUP);
    broker.running.line_with("u'gate-18'");
}

#[test]
fn the_documented_commands_make_certificates_that_work() {
    let directory = typed(&recipe());
    let broker = broker_of(directory.path());
    let ca = directory.path().join("ca.crt");
    for server_name in ["", "server_name = \"broker.home.arpa\"\n"] {
        let tls = format!("[mqtt.tls]\nca = {ca:?}\n{server_name}");
        let config = ConfigFile::new(&format!("[device]\nid = \"test\"\n[mqtt]\nurl = {:?}\n{tls}", url(&broker)));
        let ran = run(&["mqtt", "test", "-c", &config.path()]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
}

#[test]
fn a_certificate_of_a_kind_that_is_not_known_is_not_taken_for_the_wish_for_another() {
    let commands = "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=ca -keyout ca.key -out ca.crt\n\
        openssl ecparam -name secp521r1 -genkey -noout -out broker.key\n\
        openssl req -new -key broker.key -subj /CN=x -out broker.csr\n\
        printf 'subjectAltName=IP:127.0.0.1\\n' > ext\n\
        openssl x509 -req -in broker.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile ext -out broker.crt\n";
    let directory = typed(commands);
    let says = refused(&broker_of(directory.path()), &format!("ca = {:?}\n", directory.path().join("ca.crt")));
    assert!(says.contains("or its own is of a kind that is not known here"), "{says}");
}

#[test]
fn certificates_as_people_make_them_are_answered_in_words_and_with_the_recipe() {
    let ca = "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=ca -keyout ca.key -out ca.crt\n";
    let key = "openssl req -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -keyout broker.key -out broker.csr\n";
    let sign = "openssl x509 -req -in broker.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out broker.crt";
    let signed = |more: &str| format!("{ca}{key}{sign} {more}\n");
    let with = |extensions: &str| format!("printf '{extensions}\\n' > ext\n{}", signed("-extfile ext"));
    for (commands, says) in [
        (signed(""), "of X.509 version 1"),
        (with("basicConstraints=CA:FALSE"), "names no host: a common name does not count"),
        (
            "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=127.0.0.1 -keyout broker.key -out broker.crt\n\
             cp broker.crt ca.crt\n"
                .into(),
            "is that of a CA",
        ),
        (with("subjectAltName=DNS:other.home.arpa"), "is not for `127.0.0.1` but for `other.home.arpa`; "),
        (with("subjectAltName=DNS:a.home.arpa,IP:192.0.2.1"), "but for `a.home.arpa`, `192.0.2.1`; "),
        (with("subjectAltName=DNS:127.0.0.1"), "it needs `IP:127.0.0.1`"),
        (with("subjectAltName=URI:mqtts://127.0.0.1"), "names no host"),
        (with("subjectAltName=IP:127.0.0.1\\nextendedKeyUsage=clientAuth"), "server authentication"),
        (
            with("subjectAltName=IP:127.0.0.1\\n1.2.3.4=critical,ASN1:UTF8String:x"),
            "cannot be trusted: unsupported critical extension; ",
        ),
    ] {
        let directory = typed(&commands);
        let says_now = refused(&broker_of(directory.path()), &format!("ca = {:?}\n", directory.path().join("ca.crt")));
        assert!(says_now.contains(says), "{says}: {says_now}");
        assert!(!says_now.contains("(\""), "as a program's inside has it: {says_now}");
        assert!(says_now.contains("docs/mqtt.md") || says_now.contains("set `server_name`"), "{says_now}");
    }
}
