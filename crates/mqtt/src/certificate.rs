//! The fields of an X.509 certificate that are shown to people: subject, issuer and expiry.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Subject, issuer and expiry of an X.509 certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The subject's common name, or else its organisation; at most 128 characters, without control characters.
    pub subject: String,
    /// The issuer's common name, or else its organisation, bounded likewise.
    pub issuer: String,
    /// The end of its validity (`notAfter`).
    pub expires: Timestamp,
}

/// Tags of DER, the encoding of X.509 certificates (RFC 5280).
const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const VERSION: u8 = 0xA0;

const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const ORGANISATION: &[u8] = &[0x55, 4, 10];

impl Certificate {
    /// Parses a DER certificate; `None` when `der` is no certificate. Nothing is verified.
    pub fn parse(der: &[u8]) -> Option<Self> {
        let mut body = Elements(Elements(Elements(der).expect(SEQUENCE)?).expect(SEQUENCE)?);
        if body.0.first() == Some(&VERSION) {
            body.next()?;
        }
        let [_serial, _algorithm] = [body.next()?, body.next()?];
        let issuer = name(body.expect(SEQUENCE)?);
        let mut validity = Elements(body.expect(SEQUENCE)?);
        validity.next()?;
        let (tag, expires) = validity.next()?;
        let expires = time(tag, expires)?;
        Some(Self { subject: name(body.expect(SEQUENCE)?), issuer, expires })
    }
}

/// An iterator over the elements of a constructed DER value: tag and content of each.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[tag, first], rest) = self.0.split_first_chunk()?;
        let (length, rest) = match first {
            0..=0x7F => (usize::from(first), rest),
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
                (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }
}

impl<'a> Elements<'a> {
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }
}

/// The common name, or else the organisation.
fn name(sequence: &[u8]) -> String {
    let attribute = |wanted: &[u8]| {
        Elements(sequence).find_map(|(_, set)| {
            let mut pair = Elements(Elements(set).expect(SEQUENCE)?);
            (pair.expect(OBJECT_ID)? == wanted).then(|| pair.next())?
        })
    };
    match attribute(COMMON_NAME).or_else(|| attribute(ORGANISATION)) {
        // The text comes from the broker and is written to a terminal, so it is filtered and bounded.
        Some((_, text)) => String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).take(128).collect(),
        None => "nameless".into(),
    }
}

fn time(tag: u8, text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    let text = match tag {
        // Two digits of the year: 50 and more are in the last century (RFC 5280).
        UTC_TIME if text.get(..2)? >= "50" => format!("19{text}"),
        UTC_TIME => format!("20{text}"),
        _ => text.to_owned(),
    };
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", text).ok()?;
    TimeZone::UTC.to_timestamp(time).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn made(expires: i32) -> Vec<u8> {
        let mut parameters = rcgen::CertificateParams::new(vec!["broker.test".into()]).expect("a name");
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(rcgen::DnType::OrganizationName, "Some people");
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "the broker");
        parameters.not_after = rcgen::date_time_ymd(expires, 3, 4);
        let key = rcgen::KeyPair::generate().expect("a key");
        parameters.self_signed(&key).expect("a certificate").der().to_vec()
    }

    #[test]
    fn the_common_name_and_the_last_day_are_found() {
        for (year, day) in
            [(2031, "2031-03-04T00:00:00Z"), (2070, "2070-03-04T00:00:00Z"), (1999, "1999-03-04T00:00:00Z")]
        {
            let certificate = Certificate::parse(&made(year)).expect("a certificate");
            assert_eq!((certificate.subject.as_str(), certificate.issuer.as_str()), ("the broker", "the broker"));
            assert_eq!(certificate.expires.to_string(), day);
        }
    }

    proptest! {
        #[test]
        fn what_is_no_certificate_is_refused_without_a_panic(place in 0..400usize, value: u8, length in 0..500usize) {
            let mut bytes = made(2031);
            if let Some(byte) = bytes.get_mut(place) {
                *byte = value;
            }
            bytes.truncate(length);
            let _ = Certificate::parse(&bytes);
        }
    }
}
