//! Where Prometheus reads each device: a document of its HTTP service discovery, or of `file_sd_configs`.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};

use super::device::{Device, Presence};

/// What stands for the id and the port of a device.
const DEVICE: &str = "{device}";
const PORT: &str = "{port}";

/// How the address of a device is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(String);

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no address of a device; write `{{device}}` where its id stands, such as `{{device}}.example.org:{{port}}`"
)]
pub struct InvalidTemplate(String);

impl std::str::FromStr for Template {
    type Err = InvalidTemplate;

    fn from_str(text: &str) -> Result<Self, InvalidTemplate> {
        let rest = text.replace(DEVICE, "").replace(PORT, "");
        let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || ".-_:[]%".contains(letter);
        let fits = text.contains(DEVICE) && text.len() <= 256 && rest.chars().all(is_allowed);
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidTemplate(text.to_owned())) }
    }
}

impl Template {
    fn address(&self, device: &Device, port: u16) -> String {
        self.0.replace(DEVICE, &device.id).replace(PORT, &port.to_string())
    }
}

/// Addresses that begin with the same bits, such as `192.168.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

/// Why a text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no network; write one such as `192.168.0.0/16` or `fd00::/8`")]
pub struct InvalidNetwork(String);

impl std::str::FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let read = || {
            let (first, bits) = text.split_once('/')?;
            let (first, bits) = (first.parse::<IpAddr>().ok()?, bits.parse::<u8>().ok()?);
            (bits <= if first.is_ipv4() { 32 } else { 128 }).then_some(Self { first, bits })
        };
        read().ok_or_else(|| InvalidNetwork(text.to_owned()))
    }
}

impl Network {
    fn holds(self, ip: IpAddr) -> bool {
        let number = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => u128::from(ip.to_bits()) << 96,
            IpAddr::V6(ip) => ip.to_bits(),
        };
        let differ = number(self.first) ^ number(ip);
        self.first.is_ipv4() == ip.is_ipv4() && differ.leading_zeros() >= u32::from(self.bits)
    }
}

/// Where the devices may be: what a device says of itself does not decide where a token is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// How the address is made from the id.
    pub template: Option<Template>,
    /// Where a device's own word is taken for its address.
    pub within: Vec<Network>,
}

/// Why Prometheus cannot read a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    /// Its page is switched off, or it has not said where it is.
    NoPage,
    /// Its page answers the device itself alone.
    Loopback,
    /// The address that it has said is in none of the networks, and there is no template.
    Elsewhere,
}

/// Host and port of a device's page: the address that it has said where it is in one of the networks, and else what the template makes
/// of its id.
pub fn address(device: &Device, places: &Places) -> Result<String, Hidden> {
    let address: SocketAddr = device.page.as_deref().and_then(|page| page.parse().ok()).ok_or(Hidden::NoPage)?;
    match address.ip() {
        ip if ip.is_loopback() => Err(Hidden::Loopback),
        ip if places.within.iter().any(|network| network.holds(ip)) && !ip.is_unspecified() => Ok(address.to_string()),
        _ => places.template.as_ref().map(|template| template.address(device, address.port())).ok_or(Hidden::Elsewhere),
    }
}

/// The document for these devices, a group for each. `device` is a label of all series; what begins with `__meta_` is for relabelling.
pub fn document<'a>(devices: impl Iterator<Item = &'a Device>, places: &Places) -> Value {
    let group = |device: &Device| {
        let known = |text: &Option<String>| text.clone().unwrap_or_default();
        Some(json!({
            "targets": [address(device, places).ok()?],
            "labels": {
                "device": device.id,
                "__meta_glimpsed_name": known(&device.name),
                "__meta_glimpsed_version": known(&device.version),
                "__meta_glimpsed_board": known(&device.board),
                "__meta_glimpsed_config_hash": known(&device.config_hash),
                "__meta_glimpsed_online": (device.presence == Presence::Online).to_string(),
            },
        }))
    };
    devices.filter_map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(page: &str) -> Device {
        Device { page: Some(page.into()), version: Some("0.1.0".into()), ..Device::new("gate-1") }
    }

    #[test]
    fn an_address_that_stands_for_all_is_told_by_the_template_and_one_of_the_device_alone_is_left_out() {
        let template: Template = "{device}.example.org:{port}".parse().expect("a template");
        let within = ["192.0.2.0/24", "2001:db8::/32"].map(|network| network.parse().expect("a network")).to_vec();
        let places = Places { template: Some(template), within };
        let of = |page: &str| address(&device(page), &places);
        assert_eq!(of("198.51.100.7:80"), Ok("gate-1.example.org:80".into()), "its word does not decide");
        let alone = Places { template: None, ..places.clone() };
        for page in ["198.51.100.7:80", "0.0.0.0:80"] {
            assert_eq!(address(&device(page), &alone), Err(Hidden::Elsewhere), "{page}");
        }
        assert_eq!(of("0.0.0.0:8080"), Ok("gate-1.example.org:8080".into()));
        assert_eq!(of("[::]:80"), Ok("gate-1.example.org:80".into()));
        assert_eq!(of("192.0.2.7:8080"), Ok("192.0.2.7:8080".into()));
        assert_eq!(of("[2001:db8::7]:8080"), Ok("[2001:db8::7]:8080".into()));
        assert_eq!((of("127.0.0.1:8080"), of("nonsense")), (Err(Hidden::Loopback), Err(Hidden::NoPage)));
        assert_eq!(address(&Device::new("x"), &places), Err(Hidden::NoPage));
    }

    #[test]
    fn the_document_has_a_group_for_each_device_that_can_be_read() {
        let template: Template = "{device}:{port}".parse().expect("a template");
        let devices = [device("0.0.0.0:8080"), device("127.0.0.1:8080")];
        let document = document(devices.iter(), &Places { template: Some(template), within: Vec::new() });
        assert_eq!(document.as_array().map(Vec::len), Some(1));
        assert_eq!(document[0]["targets"][0], "gate-1:8080");
        assert_eq!(
            (&document[0]["labels"]["device"], &document[0]["labels"]["__meta_glimpsed_version"]),
            (&"gate-1".into(), &"0.1.0".into())
        );
    }

    #[test]
    fn a_network_has_an_address_and_its_bits() {
        for wrong in ["", "192.0.2.0", "192.0.2.0/33", "::/129", "x/8", "192.0.2.0/-1"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
        assert!("0.0.0.0/0".parse::<Network>().expect("all").holds("198.51.100.7".parse().expect("an address")));
    }

    #[test]
    fn a_template_names_the_device() {
        for wrong in ["example.org", "", "{device}/metrics", "{device} x", "http://{device}"] {
            assert!(wrong.parse::<Template>().is_err(), "{wrong}");
        }
    }
}
