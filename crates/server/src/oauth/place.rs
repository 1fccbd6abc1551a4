//! Addresses that keys are fetched from, and how far a fetch may reach.
//!
//! The operator names an address and is trusted with it, also with one inside. What an answer names
//! in turn is not: it must not make the broker ask hosts that are not for others to ask.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ureq::http::Uri;

/// Why an address cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// It is no address.
    #[error("it is no URL of the form https://host/path")]
    NotUrl,
    /// It is not https.
    #[error("it must be https; http is for localhost, or with allow_http")]
    NotSecure,
    /// It holds a name and a password.
    #[error("it must not hold a user name")]
    HasUser,
}

/// Which addresses of hosts a fetch may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Those of the machine itself.
    Itself,
    /// All that can be somebody's, also inside.
    Inside,
    /// Those of the public network.
    Public,
}

/// An address with what may be reached there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    uri: Uri,
    reach: Reach,
}

impl Place {
    /// An address that the operator has configured. `http` is for the machine itself, unless
    /// `allow_http`.
    ///
    /// # Errors
    ///
    /// If it is no address, or not a secure one, or names a user.
    pub fn configured(url: &str, allow_http: bool) -> Result<Self, PlaceError> {
        let uri: Uri = url.parse().map_err(|_| PlaceError::NotUrl)?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(PlaceError::NotUrl)?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(PlaceError::HasUser);
        }
        let reach = match uri.scheme_str() {
            Some("https") => Reach::Inside,
            Some("http") if allow_http => Reach::Inside,
            Some("http") if names_the_machine_itself(host) => Reach::Itself,
            Some("http") => return Err(PlaceError::NotSecure),
            _ => return Err(PlaceError::NotUrl),
        };
        Ok(Self { uri, reach })
    }

    /// An address that stands in what was fetched from this one. On the same host it is as good as
    /// this one; another host must be a public one.
    ///
    /// # Errors
    ///
    /// Those of [`configured`](Self::configured).
    pub(super) fn told(&self, url: &str) -> Result<Self, PlaceError> {
        let same_scheme = |other: &Uri| other.scheme() == self.uri.scheme();
        let same_host = |other: &Uri| other.authority() == self.uri.authority();
        let uri: Uri = url.parse().map_err(|_| PlaceError::NotUrl)?;
        if same_scheme(&uri) && same_host(&uri) {
            return Ok(Self { uri, reach: self.reach });
        }
        let other = Self::configured(url, false)?;
        match other.uri.scheme_str() {
            Some("https") => Ok(Self { uri: other.uri, reach: Reach::Public }),
            _ => Err(PlaceError::NotSecure),
        }
    }

    /// The address of a document that belongs to this one, as RFC 8414 and OpenID Connect have it.
    pub(super) fn well_known(&self) -> Result<Self, PlaceError> {
        let url = self.uri.to_string();
        let url = format!("{}/.well-known/openid-configuration", url.trim_end_matches('/'));
        let uri = url.parse().map_err(|_| PlaceError::NotUrl)?;
        Ok(Self { uri, reach: self.reach })
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(super) fn reach(&self) -> Reach {
        self.reach
    }
}

/// Without the query, in which there may be something that is nobody's business.
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (scheme, host) = (self.uri.scheme_str(), self.uri.authority());
        let host = host.map_or("", |authority| authority.as_str());
        write!(f, "{}://{host}{}", scheme.unwrap_or_default(), self.uri.path())
    }
}

fn names_the_machine_itself(host: &str) -> bool {
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    host == "localhost" || address.is_some_and(|address| address.is_loopback())
}

impl Reach {
    /// Whether this address may be connected to.
    #[must_use]
    pub fn allows(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match self {
            Self::Itself => address.is_loopback(),
            Self::Inside => !is_nobody(address),
            Self::Public => !is_nobody(address) && !address.is_loopback() && !is_inside(address),
        }
    }
}

/// Addresses at which no host has keys: of no host, of many, and of the link, where clouds answer
/// with the secrets of a machine.
fn is_nobody(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_nobody_v4(address),
        IpAddr::V6(address) => {
            let embedded = embedded(address);
            address.is_unspecified()
                || address.is_multicast()
                || address.is_unicast_link_local()
                || embedded.is_some_and(is_nobody_v4)
        }
    }
}

fn is_nobody_v4(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    // 0.0.0.0/8 is "this network", and 240.0.0.0/4 was never given to anybody.
    first == 0 || first >= 240 || address.is_multicast() || address.is_link_local()
}

/// Addresses inside of somebody's network.
fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_inside_v4(address),
        IpAddr::V6(address) => {
            // fec0::/10 was site-local once.
            let was_site_local = address.segments().first().is_some_and(|it| it & 0xffc0 == 0xfec0);
            let embedded = embedded(address);
            address.is_unique_local() || was_site_local || embedded.is_some_and(is_inside_v4)
        }
    }
}

fn is_inside_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        // Shared by the customers of a carrier (RFC 6598).
        || (first == 100 && (64..128).contains(&second))
        // For protocols (RFC 6890) and for measurements between networks (RFC 2544).
        || (first == 192 && second == 0 && third == 0)
        || (first == 198 && (18..20).contains(&second))
}

/// The IPv4 address that an IPv6 address leads to through a translator (NAT64, 6to4).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured(url: &str) -> Result<Reach, PlaceError> {
        Place::configured(url, false).map(|place| place.reach())
    }

    #[test]
    fn http_is_for_the_machine_itself() {
        assert_eq!(configured("https://login.example/keys"), Ok(Reach::Inside));
        assert_eq!(configured("http://localhost:8080/keys"), Ok(Reach::Itself));
        assert_eq!(configured("http://127.0.0.1/keys"), Ok(Reach::Itself));
        assert_eq!(configured("http://[::1]:1/keys"), Ok(Reach::Itself));
        for url in ["http://login.example/", "http://10.0.0.1/", "http://localhost.example/"] {
            assert_eq!(configured(url), Err(PlaceError::NotSecure), "{url}");
            assert_eq!(Place::configured(url, true).map(|it| it.reach()), Ok(Reach::Inside));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in
            ["", "login.example/keys", "/keys", "file:///etc/passwd", "ftp://a/b", "https://"]
        {
            assert_eq!(configured(url), Err(PlaceError::NotUrl), "{url}");
        }
        assert_eq!(configured("https://user:secret@login.example/"), Err(PlaceError::HasUser));
    }

    #[test]
    fn an_address_in_an_answer_is_trusted_less_than_one_that_is_configured() {
        let issuer = Place::configured("https://login.example/realm", false).unwrap();
        let told = |url: &str| issuer.told(url).map(|place| place.reach());
        assert_eq!(told("https://login.example/keys"), Ok(Reach::Inside));
        assert_eq!(told("https://keys.example/keys"), Ok(Reach::Public));
        assert_eq!(told("https://10.0.0.1/keys"), Ok(Reach::Public));
        assert_eq!(told("https://login.example:8443/keys"), Ok(Reach::Public));
        for url in ["http://login.example/keys", "http://localhost/keys", "http://127.0.0.1/"] {
            assert_eq!(told(url), Err(PlaceError::NotSecure), "{url}");
        }
        let local = Place::configured("http://localhost:8080/realm", false).unwrap();
        assert_eq!(local.told("http://localhost:8080/k").map(|it| it.reach()), Ok(Reach::Itself));
        assert_eq!(local.told("http://localhost:9/k"), Err(PlaceError::NotSecure));
    }

    #[test]
    fn the_document_of_an_issuer_stands_below_it() {
        for issuer in ["https://login.example/realm", "https://login.example/realm/"] {
            let place = Place::configured(issuer, false).unwrap().well_known().unwrap();
            let expected = "https://login.example/realm/.well-known/openid-configuration";
            assert_eq!(place.to_string(), expected);
        }
    }

    #[test]
    fn an_address_is_shown_without_its_query() {
        let place = Place::configured("https://login.example/keys?code=secret", false).unwrap();
        assert_eq!(place.to_string(), "https://login.example/keys");
    }

    #[test]
    fn a_reach_ends_where_it_says() {
        let cases = [
            ("127.0.0.1", [true, true, false]),
            ("::1", [true, true, false]),
            ("::ffff:127.0.0.1", [true, true, false]),
            ("10.1.2.3", [false, true, false]),
            ("172.31.0.1", [false, true, false]),
            ("192.168.1.1", [false, true, false]),
            ("100.64.0.1", [false, true, false]),
            ("192.0.0.8", [false, true, false]),
            ("198.19.0.1", [false, true, false]),
            ("fd00:ec2::254", [false, true, false]),
            ("fec0::1", [false, true, false]),
            ("::ffff:10.0.0.1", [false, true, false]),
            ("64:ff9b::10.0.0.1", [false, true, false]),
            ("2002:a00:1::1", [false, true, false]),
            ("169.254.169.254", [false, false, false]),
            ("::ffff:169.254.169.254", [false, false, false]),
            ("64:ff9b::169.254.169.254", [false, false, false]),
            ("fe80::1", [false, false, false]),
            ("0.0.0.0", [false, false, false]),
            ("::", [false, false, false]),
            ("224.0.0.1", [false, false, false]),
            ("ff02::1", [false, false, false]),
            ("255.255.255.255", [false, false, false]),
            ("240.0.0.1", [false, false, false]),
            ("93.184.216.34", [false, true, true]),
            ("100.128.0.1", [false, true, true]),
            ("172.32.0.1", [false, true, true]),
            ("2606:2800:220:1::1", [false, true, true]),
        ];
        for (address, expected) in cases {
            let address: IpAddr = address.parse().unwrap();
            let reaches = [Reach::Itself, Reach::Inside, Reach::Public];
            assert_eq!(reaches.map(|reach| reach.allows(address)), expected, "{address}");
        }
    }
}
