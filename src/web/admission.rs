//! Limits the number of connections, in total and per address.

use super::network::Network;
use glimpsed_base::sync::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, MutexGuard};

/// Limit of connections; a browser opens six.
const MAX_CONNECTIONS: usize = 256;

/// Limit per address (of IPv6: per /64), so that one client cannot take all places. The loopback address and that of `ingress` are
/// exempt, because proxies connect from them.
const MAX_FROM_ONE: usize = 64;

/// Further places for probes while all others are taken, in total and per address.
const MAX_PROBES: usize = 16;
const MAX_PROBES_FROM_ONE: usize = 4;

/// Hands out places for connections.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    taken: Arc<Mutex<HashMap<Network, usize>>>,
    most: usize,
    most_from_one: usize,
    ingress: Option<IpAddr>,
}

/// A place for one connection, released on drop.
#[derive(Debug)]
pub(super) struct Place {
    admission: Admission,
    address: Network,
}

impl Admission {
    pub(super) fn connections(ingress: Option<IpAddr>) -> Self {
        Self { taken: Arc::default(), most: MAX_CONNECTIONS, most_from_one: MAX_FROM_ONE, ingress }
    }

    pub(super) fn probes() -> Self {
        Self { taken: Arc::default(), most: MAX_PROBES, most_from_one: MAX_PROBES_FROM_ONE, ingress: None }
    }

    /// `None` when there are too many already.
    pub(super) fn admit(&self, address: IpAddr) -> Option<Place> {
        let canonical = address.to_canonical();
        let is_proxy = canonical.is_loopback() || self.ingress == Some(canonical);
        let address = Network::from(address);
        let mut taken = self.lock();
        let from_here = taken.get(&address).copied().unwrap_or(0);
        let full = taken.values().sum::<usize>() >= self.most;
        if full || (from_here >= self.most_from_one && !is_proxy) {
            return None;
        }
        taken.insert(address, from_here + 1);
        Some(Place { admission: self.clone(), address })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Network, usize>> {
        self.taken.lock()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.admission.lock();
        if let Some(count) = taken.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(admission: &Admission, addresses: impl Iterator<Item = IpAddr>) -> Vec<Place> {
        addresses.map_while(|address| admission.admit(address)).collect()
    }

    #[test]
    fn one_address_leaves_places_for_others_and_gets_its_own_back() {
        let admission = Admission::connections(None);
        let greedy = IpAddr::from([192, 168, 1, 7]);
        let mut places = taken(&admission, std::iter::repeat(greedy));
        assert_eq!(places.len(), MAX_FROM_ONE);
        let other = admission.admit(IpAddr::from([192, 168, 1, 8]));
        assert!(other.is_some());
        places.pop();
        assert!(admission.admit(greedy).is_some());
        drop((places, other));
        assert!(admission.lock().is_empty(), "nothing is remembered of who has gone");
    }

    #[test]
    fn there_is_an_end_to_all_addresses_together_and_an_old_address_in_a_new_form_is_the_same() {
        let admission = Admission::connections(Some(IpAddr::from([172, 30, 32, 2])));
        let old = taken(&admission, std::iter::repeat(IpAddr::from([192, 168, 1, 7])));
        let mapped = std::net::Ipv4Addr::new(192, 168, 1, 7).to_ipv6_mapped();
        assert!(admission.admit(mapped.into()).is_none());
        let proxy = taken(&admission, std::iter::repeat_n(IpAddr::from([172, 30, 32, 2]), 100));
        assert_eq!(proxy.len(), 100, "many are behind it");
        let this_machine = taken(&admission, std::iter::repeat(IpAddr::from([127, 0, 0, 1])));
        assert_eq!(old.len() + proxy.len() + this_machine.len(), MAX_CONNECTIONS);
        assert!(admission.admit(IpAddr::from([192, 168, 1, 8])).is_none());
    }
}
