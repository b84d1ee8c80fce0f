//! [`bypasses_proxy`]: the list of exceptions, `NO_PROXY`.

use std::net::IpAddr;

/// Whether a list of exceptions like that of `NO_PROXY` names this host and port.
///
/// The elements are separated by commas or spaces. An element is `*` (everything), a domain (which
/// stands for its subdomains too, with or without a leading `.` or `*.`), an IP address, or a range
/// of them in CIDR notation; all but the range may end with `:port`. Anything else names nothing.
///
/// `host` has no brackets; letter case does not matter, nor does a trailing dot.
///
/// ```
/// use hybi_proto::tunnel::bypasses_proxy;
/// assert!(bypasses_proxy("api.example.com", 443, "localhost, .example.com"));
/// assert!(bypasses_proxy("10.1.2.3", 80, "10.0.0.0/8"));
/// assert!(!bypasses_proxy("myexample.com", 443, "example.com"));
/// ```
pub fn bypasses_proxy(host: &str, port: u16, list: &str) -> bool {
    list.split([',', ' ', '\t'])
        .filter(|element| !element.is_empty())
        .any(|element| names(element, host, port))
}

fn names(element: &str, host: &str, port: u16) -> bool {
    if element == "*" {
        return true;
    }
    if let Some(ip) = parse_ip(host) {
        return names_ip(element, ip, port);
    }
    let (domain, only_port) = match element.split_once(':') {
        Some((domain, digits)) => match digits.parse() {
            Ok(only_port) => (domain, Some(only_port)),
            Err(_) => return false,
        },
        None => (element, None),
    };
    if only_port.is_some_and(|only_port: u16| only_port != port) {
        return false;
    }
    let domain = domain.strip_prefix('*').unwrap_or(domain);
    let domain = domain.strip_prefix('.').unwrap_or(domain);
    let (domain, host) = (without_root(domain), without_root(host));
    if domain.is_empty() {
        return false;
    }
    // The suffix must begin at a dot: example.com does not stand for myexample.com.
    match host.len().checked_sub(domain.len()) {
        None => false,
        Some(0) => host.eq_ignore_ascii_case(domain),
        Some(before) => {
            let (sub, suffix) = host.as_bytes().split_at(before);
            sub.last() == Some(&b'.') && suffix.eq_ignore_ascii_case(domain.as_bytes())
        }
    }
}

fn names_ip(element: &str, ip: IpAddr, port: u16) -> bool {
    if let Some((network, bits)) = element.split_once('/') {
        let bits = bits.parse().ok();
        return parse_ip(network)
            .zip(bits)
            .is_some_and(|(network, bits)| in_network(ip, network, bits));
    }
    // An IPv6 address has colons of its own: it takes brackets to add a port.
    if parse_ip(element) == Some(ip) {
        return true;
    }
    element.rsplit_once(':').is_some_and(|(address, digits)| {
        let unambiguous = address.starts_with('[') || !address.contains(':');
        unambiguous && parse_ip(address) == Some(ip) && digits.parse() == Ok(port)
    })
}

fn in_network(ip: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) if bits <= 32 => {
            let differ = ip.to_bits() ^ network.to_bits();
            differ.leading_zeros() >= bits
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) if bits <= 128 => {
            let differ = ip.to_bits() ^ network.to_bits();
            differ.leading_zeros() >= bits
        }
        _ => false,
    }
}

/// An address with or without brackets; an IPv4 address in IPv6 form counts as IPv4.
fn parse_ip(text: &str) -> Option<IpAddr> {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    inner.unwrap_or(text).parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

fn without_root(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}
