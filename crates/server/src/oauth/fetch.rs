//! Fetching a small document: over a checked way, of a bounded size, in a bounded time.

use std::net::SocketAddr;
use std::sync::Arc;

use ureq::Agent;
use ureq::config::Config;
use ureq::http::{StatusCode, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use super::place::{Place, Reach};
use crate::limits;

/// Why a document was not fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("{place} answered with status {status}")]
    Status { place: String, status: StatusCode },
    #[error("{place} cannot be fetched: {reason}")]
    Failed { place: String, reason: String },
}

/// Those whose certificates are trusted.
#[derive(Debug, Clone)]
pub struct Authorities(Arc<Vec<Certificate<'static>>>);

impl Authorities {
    /// Reads certificates in PEM form. None if there is none, or something is broken.
    #[must_use]
    pub fn from_pem(pem: &[u8]) -> Option<Self> {
        let mut certificates = Vec::new();
        for item in parse_pem(pem) {
            if let PemItem::Certificate(certificate) = item.ok()? {
                certificates.push(certificate);
            }
        }
        (!certificates.is_empty()).then(|| Self(Arc::new(certificates)))
    }
}

/// Fetches a document. It waits, so it is for a thread that may.
///
/// Redirects are not followed: where the keys are is for the operator to say. No proxy is used, as
/// it would be the one that resolves the name.
pub(super) fn fetch(
    place: &Place,
    authorities: Option<&Authorities>,
) -> Result<Vec<u8>, FetchError> {
    let roots = match authorities {
        Some(Authorities(certificates)) => RootCerts::Specific(Arc::clone(certificates)),
        None => RootCerts::WebPki,
    };
    let config = Config::builder()
        .https_only(place.uri().scheme_str() == Some("https"))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .timeout_global(Some(limits::FETCH_TIME))
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .user_agent(concat!("warren/", env!("CARGO_PKG_VERSION")))
        .accept("application/json")
        .max_idle_connections(0)
        .build();
    let resolver = Checked { reach: place.reach(), names: DefaultResolver::default() };
    let agent = Agent::with_parts(config, DefaultConnector::default(), resolver);
    let failed = |error: ureq::Error| FetchError::Failed {
        place: place.to_string(),
        reason: error.to_string(),
    };
    let response = agent.get(place.uri()).call().map_err(failed)?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status { place: place.to_string(), status: response.status() });
    }
    let body = response.into_body().into_with_config().limit(limits::FETCH_BYTES);
    body.read_to_vec().map_err(failed)
}

/// Resolves names, and gives the addresses only if all of them may be reached. The connection goes
/// to one of these: the name is not resolved again.
#[derive(Debug)]
struct Checked {
    reach: Reach,
    names: DefaultResolver,
}

impl Resolver for Checked {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.names.resolve(uri, config, timeout)?;
        match found.iter().find(|address| !self.reach.allows(address.ip())) {
            None => Ok(found),
            Some(address) => Err(out_of_reach(*address)),
        }
    }
}

fn out_of_reach(address: SocketAddr) -> ureq::Error {
    let text = format!("keys must not be fetched from {}", address.ip());
    std::io::Error::new(std::io::ErrorKind::PermissionDenied, text).into()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use super::*;

    /// A server that gives one answer, and what it was asked.
    fn serve(answer: Vec<u8>) -> (String, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let work = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                asked.extend(byte);
            }
            // The client may hang up before all is said.
            let _ = stream.write_all(&answer);
            String::from_utf8(asked).unwrap()
        });
        (host, work)
    }

    fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n");
        [head.as_bytes(), body].concat()
    }

    fn fetch_from(host: &str) -> Result<Vec<u8>, FetchError> {
        fetch(&Place::configured(&format!("http://{host}/keys?a=b"), false).unwrap(), None)
    }

    #[test]
    fn a_document_is_fetched() {
        let (host, server) = serve(answer("200 OK", "", b"{}"));
        assert_eq!(fetch_from(&host).unwrap(), b"{}");
        let asked = server.join().unwrap().to_lowercase();
        assert!(asked.starts_with("get /keys?a=b http/1.1\r\n"), "{asked}");
        assert!(asked.contains("accept: application/json\r\n"), "{asked}");
    }

    #[test]
    fn another_status_is_no_answer() {
        for status in ["500 Oops", "404 Not Found", "204 No Content", "201 Created"] {
            let (host, server) = serve(answer(status, "", b""));
            let error = fetch_from(&host).unwrap_err().to_string();
            assert!(error.contains(&status[..3]) && error.contains(&host), "{error}");
            assert!(!error.contains("a=b"), "{error}");
            server.join().unwrap();
        }
    }

    #[test]
    fn a_redirect_is_not_followed() {
        let (other, other_server) = serve(answer("200 OK", "", b"{}"));
        let location = format!("location: http://{other}/keys\r\n");
        let (host, server) = serve(answer("302 Found", &location, b""));
        let error = fetch_from(&host).unwrap_err();
        assert!(matches!(error, FetchError::Status { status: StatusCode::FOUND, .. }), "{error}");
        server.join().unwrap();
        assert!(!other_server.is_finished());
        // Let the other server end.
        fetch_from(&other).unwrap();
        other_server.join().unwrap();
    }

    #[test]
    fn a_document_that_is_too_long_is_not_kept() {
        let long = vec![b' '; limits::FETCH_BYTES as usize + 1];
        let (host, server) = serve(answer("200 OK", "", &long));
        let error = fetch_from(&host).unwrap_err().to_string();
        assert!(error.contains("limit") || error.contains("exceed"), "{error}");
        server.join().unwrap();
        let (host, server) = serve(answer("200 OK", "", &long[1..]));
        assert_eq!(fetch_from(&host).unwrap().len(), limits::FETCH_BYTES as usize);
        server.join().unwrap();
    }

    #[test]
    fn an_address_out_of_reach_is_not_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let issuer = Place::configured("https://login.example/", false).unwrap();
        let told = issuer.told(&format!("https://{address}/keys")).unwrap();
        let error = fetch(&told, None).unwrap_err().to_string();
        assert!(error.contains("must not be fetched from 127.0.0.1"), "{error}");
        assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }

    /// A server with a certificate of its own making that gives one answer, if it is asked.
    fn serve_tls(answer: Vec<u8>) -> (u16, String, JoinHandle<bool>) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = made.signing_key.serialize_der().try_into().unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let work = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
            let mut tls = rustls::StreamOwned::new(connection, stream);
            let mut request = [0; 4096];
            let asked = tls.read(&mut request).is_ok_and(|read| read > 0);
            asked && tls.write_all(&answer).is_ok()
        });
        (port, made.cert.pem(), work)
    }

    #[test]
    fn a_host_is_trusted_for_its_certificate_alone() {
        let fetch_by = |port: u16, authorities: Option<&Authorities>| {
            let url = format!("https://localhost:{port}/keys");
            fetch(&Place::configured(&url, false).unwrap(), authorities)
        };
        let (port, _, server) = serve_tls(answer("200 OK", "", b"{}"));
        let error = fetch_by(port, None).unwrap_err().to_string();
        assert!(error.contains("certificate"), "{error}");
        assert!(!server.join().unwrap());
        let (port, pem, server) = serve_tls(answer("200 OK", "", b"{}"));
        let authorities = Authorities::from_pem(pem.as_bytes()).unwrap();
        assert_eq!(fetch_by(port, Some(&authorities)).unwrap(), b"{}");
        assert!(server.join().unwrap());
        // That one is trusted is nothing for another.
        let (port, _, server) = serve_tls(answer("200 OK", "", b"{}"));
        assert!(fetch_by(port, Some(&authorities)).is_err());
        assert!(!server.join().unwrap());
    }

    #[test]
    fn authorities_are_certificates() {
        assert!(Authorities::from_pem(b"").is_none());
        assert!(Authorities::from_pem(b"-----BEGIN CERTIFICATE-----\nAAAA").is_none());
        let pem = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(Authorities::from_pem(pem).is_some());
    }
}
