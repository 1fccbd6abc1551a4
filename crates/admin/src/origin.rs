//! Where a request comes from: the client's address behind proxies, whether the way is encrypted,
//! and whether a browser sends it for a page of the broker's own.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, header};

/// Proxies whose word is taken for where a request comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// Addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u32,
}

/// What a request's head and its peer say of where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The client's address.
    pub(crate) address: IpAddr,
    /// The way from the browser is encrypted.
    pub(crate) is_secure: bool,
    /// The host that the browser asked, with its port if that is not the usual one.
    host: Option<String>,
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

impl TrustedProxies {
    /// Reads addresses and networks: `127.0.0.1`, `10.0.0.0/8`, `fd00::/8`.
    ///
    /// # Errors
    ///
    /// The text that is neither.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        let networks = texts.iter().map(|text| Network::parse(text).ok_or_else(|| text.clone()));
        networks.collect::<Result<_, _>>().map(Self)
    }

    /// As they are written.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.0.iter().map(|Network { address, bits }| format!("{address}/{bits}")).collect()
    }

    fn include(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.includes(address))
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most)?,
            None => most,
        };
        Some(Self { address, bits })
    }

    fn includes(&self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(one), IpAddr::V4(other)) => {
                let different = one.to_bits() ^ other.to_bits();
                different.leading_zeros() >= self.bits
            }
            (IpAddr::V6(one), IpAddr::V6(other)) => {
                let different = one.to_bits() ^ other.to_bits();
                different.leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

impl Origin {
    /// Where a request comes from. Only of proxies that are trusted the word is taken; anybody can
    /// write headers.
    pub(crate) fn of(headers: &HeaderMap, peer: IpAddr, trusted: &TrustedProxies) -> Self {
        let peer = peer.to_canonical();
        let host = text(headers, &header::HOST);
        if !trusted.include(peer) {
            let host = host.map(str::to_owned);
            return Self { address: peer, is_secure: false, host };
        }
        let forwarded = text(headers, &FORWARDED_HOST).or(host).map(str::to_owned);
        let is_secure = text(headers, &FORWARDED_PROTO).is_some_and(|it| it == "https");
        Self { address: client(headers, peer, trusted), is_secure, host: forwarded }
    }

    /// Whether a browser sends the request for a page of the broker's own, or for one of `others`,
    /// or it is no browser. Browsers say where the page is with every request that changes
    /// something.
    pub(crate) fn is_own(&self, headers: &HeaderMap, others: &[String]) -> bool {
        let site = text(headers, &FETCH_SITE);
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => site.is_none_or(|site| matches!(site, "same-origin" | "none")),
            (Some(origin), None) => {
                let Ok(origin) = origin.to_str() else { return false };
                others.iter().any(|other| other == origin) || self.is_host_of(origin)
            }
            (Some(_), Some(_)) => false,
        }
    }

    /// Whether an origin, such as `https://broker.example:15671`, is the host that was asked. The
    /// scheme is not compared: in front of a proxy it may be another one.
    fn is_host_of(&self, origin: &str) -> bool {
        let Some((scheme, host)) = origin.split_once("://") else { return false };
        let usual = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => return false,
        };
        let without = |host: &str| host.strip_suffix(usual).unwrap_or(host).to_ascii_lowercase();
        self.host.as_deref().is_some_and(|own| without(own) == without(host))
    }
}

/// The client's address: the last one in the list of forwarders that is no trusted proxy.
fn client(headers: &HeaderMap, peer: IpAddr, trusted: &TrustedProxies) -> IpAddr {
    let mut client = peer;
    let lists = headers.get_all(FORWARDED_FOR);
    let lists: Vec<&str> = lists.iter().map(|list| list.to_str().unwrap_or("?")).collect();
    for text in lists.iter().flat_map(|list| list.split(',')).rev() {
        // What cannot be read was written by somebody before the last trusted proxy.
        let Ok(address) = text.trim().parse::<IpAddr>() else { break };
        client = address.to_canonical();
        if !trusted.include(client) {
            break;
        }
    }
    client
}

/// A header that is there once.
fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let (first, second) = (values.next(), values.next());
    if second.is_some() { None } else { first?.to_str().ok() }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn trusted(texts: &[&str]) -> TrustedProxies {
        TrustedProxies::parse(&texts.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_are_addresses_with_a_number_of_bits() {
        let proxies = trusted(&["127.0.0.1", "10.0.0.0/8", "fd00::/8", "192.0.2.128/25"]);
        for inside in ["127.0.0.1", "10.255.0.1", "fdff::1", "192.0.2.200"] {
            assert!(proxies.include(address(inside)), "{inside}");
        }
        for outside in ["127.0.0.2", "11.0.0.1", "fc00::1", "192.0.2.127", "::1"] {
            assert!(!proxies.include(address(outside)), "{outside}");
        }
        assert!(trusted(&["0.0.0.0/0"]).include(address("8.8.8.8")));
        assert!(!trusted(&["0.0.0.0/0"]).include(address("::1")));
        for bad in ["", "localhost", "10.0.0.0/33", "10.0.0.0/x", "10.0.0/8", "::/129"] {
            assert_eq!(TrustedProxies::parse(&[bad.to_owned()]), Err(bad.to_owned()));
        }
    }

    #[test]
    fn the_word_of_a_stranger_is_not_taken() {
        let lies = headers(&[
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "elsewhere"),
            ("host", "broker"),
        ]);
        let origin = Origin::of(&lies, address("192.0.2.1"), &trusted(&["127.0.0.1"]));
        let expected =
            Origin { address: address("192.0.2.1"), is_secure: false, host: Some("broker".into()) };
        assert_eq!(origin, expected);
    }

    #[test]
    fn the_client_is_the_last_one_that_is_no_trusted_proxy() {
        let proxies = trusted(&["127.0.0.1", "10.0.0.0/8"]);
        let client = |lists: &[&str]| {
            let pairs: Vec<_> = lists.iter().map(|list| ("x-forwarded-for", *list)).collect();
            Origin::of(&headers(&pairs), address("::ffff:127.0.0.1"), &proxies).address
        };
        assert_eq!(client(&[]), address("127.0.0.1"));
        assert_eq!(client(&["192.0.2.1"]), address("192.0.2.1"));
        assert_eq!(client(&["8.8.8.8, 192.0.2.1, 10.0.0.5"]), address("192.0.2.1"));
        assert_eq!(client(&["8.8.8.8", "192.0.2.1", "10.0.0.5"]), address("192.0.2.1"));
        assert_eq!(client(&["::ffff:192.0.2.1"]), address("192.0.2.1"));
        assert_eq!(client(&["10.0.0.1, 10.0.0.2"]), address("10.0.0.1"));
        // Nobody comes from the machine itself by saying something that is no address.
        assert_eq!(client(&["nonsense, 10.0.0.2"]), address("10.0.0.2"));
    }

    #[test]
    fn a_trusted_proxy_tells_whether_the_way_is_encrypted() {
        let proxies = trusted(&["127.0.0.1"]);
        let is_secure = |pairs: &[(&'static str, &str)]| {
            Origin::of(&headers(pairs), address("127.0.0.1"), &proxies).is_secure
        };
        assert!(is_secure(&[("x-forwarded-proto", "https")]));
        assert!(!is_secure(&[("x-forwarded-proto", "http")]));
        assert!(!is_secure(&[]));
        assert!(!is_secure(&[("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")]));
    }

    #[test]
    fn a_page_is_own_if_it_came_from_the_host_that_is_asked() {
        let is_own = |pairs: &[(&'static str, &str)]| {
            let headers = headers(pairs);
            let others = ["https://console.example".to_owned()];
            Origin::of(&headers, address("192.0.2.1"), &TrustedProxies::default())
                .is_own(&headers, &others)
        };
        let host = ("host", "broker.example:15672");
        // Not a browser, or one that asks for its user.
        assert!(is_own(&[host]));
        assert!(is_own(&[host, ("sec-fetch-site", "none")]));
        assert!(is_own(&[host, ("sec-fetch-site", "same-origin")]));
        assert!(is_own(&[host, ("origin", "http://broker.example:15672")]));
        assert!(is_own(&[host, ("origin", "https://Broker.example:15672")]));
        assert!(is_own(&[("host", "broker.example"), ("origin", "https://broker.example:443")]));
        assert!(is_own(&[("host", "broker.example:80"), ("origin", "http://broker.example")]));
        assert!(is_own(&[host, ("origin", "https://console.example")]));
        for origin in [
            "null",
            "",
            "http://broker.example",
            "http://broker.example:8080",
            "http://evil.example",
            "http://broker.example:15672.evil.example",
            "ftp://broker.example:15672",
            "https://console.example.evil.example",
        ] {
            assert!(!is_own(&[host, ("origin", origin)]), "{origin}");
        }
        assert!(!is_own(&[host, ("sec-fetch-site", "same-site")]));
        assert!(!is_own(&[host, ("sec-fetch-site", "cross-site")]));
        assert!(!is_own(&[("origin", "http://broker.example:15672")]));
        let twice = ("origin", "http://broker.example:15672");
        assert!(!is_own(&[host, twice, twice]));
    }

    #[test]
    fn behind_a_proxy_the_host_is_what_the_browser_asked() {
        let headers = headers(&[
            ("host", "10.0.0.1:15672"),
            ("x-forwarded-host", "broker.example"),
            ("origin", "https://broker.example"),
        ]);
        let of = |proxies| Origin::of(&headers, address("127.0.0.1"), &proxies);
        assert!(of(trusted(&["127.0.0.1"])).is_own(&headers, &[]));
        assert!(!of(TrustedProxies::default()).is_own(&headers, &[]));
    }
}
