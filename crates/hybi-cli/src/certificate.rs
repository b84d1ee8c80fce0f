//! What a certificate says about itself, for `--verbose`. Whether to believe it is decided by TLS.

use std::net::IpAddr;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

/// The facts that people look for first: what each is, and what it says.
pub(crate) fn facts(der: &[u8]) -> Vec<(&'static str, String)> {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        return vec![("certificate", "cannot be read".to_owned())];
    };
    let validity = certificate.validity();
    vec![
        ("subject", certificate.subject().to_string()),
        ("names", names(&certificate).join(", ")),
        ("issuer", certificate.issuer().to_string()),
        ("valid", format!("from {} to {}", day(validity.not_before), day(validity.not_after))),
    ]
}

fn day(time: ASN1Time) -> String {
    time.to_datetime().date().to_string()
}

/// The names that it is for.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => {
            let ipv4 = <[u8; 4]>::try_from(*octets).map(IpAddr::from);
            let ip = ipv4.or_else(|_| <[u8; 16]>::try_from(*octets).map(IpAddr::from));
            ip.ok().map(|ip| ip.to_string())
        }
        _ => None,
    };
    extension.value.general_names.iter().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_days_are_told() {
        let names = ["chat.example".to_owned(), "::1".to_owned()];
        let mut params = rcgen::CertificateParams::new(names).expect("valid");
        params.not_before = rcgen::date_time_ymd(2026, 1, 2);
        params.not_after = rcgen::date_time_ymd(2027, 1, 2);
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("signed");
        let facts = facts(certificate.der());
        for fact in [
            ("subject", "CN=rcgen self signed cert"),
            ("names", "chat.example, ::1"),
            ("issuer", "CN=rcgen self signed cert"),
            ("valid", "from 2026-01-02 to 2027-01-02"),
        ] {
            assert!(facts.contains(&(fact.0, fact.1.to_owned())), "{fact:?} in {facts:?}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_said_to_be_none() {
        assert_eq!(facts(b"nonsense"), [("certificate", "cannot be read".to_owned())]);
    }
}
