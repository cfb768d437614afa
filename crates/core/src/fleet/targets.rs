//! Where Prometheus reads each device: a document of its HTTP service discovery, or of `file_sd_configs`.

use std::net::SocketAddr;

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

/// Why Prometheus cannot read a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    /// Its page is switched off, or it has not said where it is.
    NoPage,
    /// Its page answers the device itself alone.
    Loopback,
}

/// Host and port of a device's page: the address that it has said, unless that stands for all of its addresses, which `template` then
/// tells.
pub fn address(device: &Device, template: &Template) -> Result<String, Hidden> {
    let address: SocketAddr = device.page.as_deref().and_then(|page| page.parse().ok()).ok_or(Hidden::NoPage)?;
    match address.ip() {
        ip if ip.is_loopback() => Err(Hidden::Loopback),
        ip if ip.is_unspecified() => Ok(template.address(device, address.port())),
        _ => Ok(address.to_string()),
    }
}

/// The document for these devices, a group for each. `device` is a label of all series; what begins with `__meta_` is for relabelling.
pub fn document<'a>(devices: impl Iterator<Item = &'a Device>, template: &Template) -> Value {
    let group = |device: &Device| {
        let known = |text: &Option<String>| text.clone().unwrap_or_default();
        Some(json!({
            "targets": [address(device, template).ok()?],
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
        let of = |page: &str| address(&device(page), &template);
        assert_eq!(of("0.0.0.0:8080"), Ok("gate-1.example.org:8080".into()));
        assert_eq!(of("[::]:80"), Ok("gate-1.example.org:80".into()));
        assert_eq!(of("192.0.2.7:8080"), Ok("192.0.2.7:8080".into()));
        assert_eq!(of("[2001:db8::7]:8080"), Ok("[2001:db8::7]:8080".into()));
        assert_eq!((of("127.0.0.1:8080"), of("nonsense")), (Err(Hidden::Loopback), Err(Hidden::NoPage)));
        assert_eq!(address(&Device::new("x"), &template), Err(Hidden::NoPage));
    }

    #[test]
    fn the_document_has_a_group_for_each_device_that_can_be_read() {
        let template: Template = "{device}:{port}".parse().expect("a template");
        let devices = [device("0.0.0.0:8080"), device("127.0.0.1:8080")];
        let document = document(devices.iter(), &template);
        assert_eq!(document.as_array().map(Vec::len), Some(1));
        assert_eq!(document[0]["targets"][0], "gate-1:8080");
        assert_eq!(
            (&document[0]["labels"]["device"], &document[0]["labels"]["__meta_glimpsed_version"]),
            (&"gate-1".into(), &"0.1.0".into())
        );
    }

    #[test]
    fn a_template_names_the_device() {
        for wrong in ["example.org", "", "{device}/metrics", "{device} x", "http://{device}"] {
            assert!(wrong.parse::<Template>().is_err(), "{wrong}");
        }
    }
}
